from kubeletsim.config.documentation import Documentation
from kubeletsim.config.flags import KubeletFlags
from kubeletsim.config.schema.kubelet import KubeletConfiguration


def test_documentation_is_the_text_beneath_an_attribute_on_one_line() -> None:
    docs = Documentation().of_attributes(KubeletFlags)
    assert docs["cert_dir"] == "Directory for certificates that the kubelet makes itself."
    assert all("\n" not in text for text in docs.values())


def test_fields_of_nested_structs_and_of_list_items_have_paths() -> None:
    docs = Documentation().of_fields(KubeletConfiguration)
    assert docs["authentication.x509.clientCAFile"].startswith("PEM file")
    assert docs["registerWithTaints[].key"].startswith("Qualified name")
    assert docs["logging.options.json.splitStream"]
