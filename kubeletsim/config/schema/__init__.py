"""What a KubeletConfiguration is: its fields, their defaults, the rules between them. Pure: nothing here reads a file.

`kubelet` puts the struct together from `serving`, `node`, `workloads`, `host` and the nested `structs`, all written in
the vocabulary of `types`. `gates` knows the feature gates, `defaults` what depends on other fields, `validation` the
rules, `encode` the way back to a document.
"""
