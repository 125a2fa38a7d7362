"""KubeletConfiguration v1beta1: schema, defaults, validation, loading."""
