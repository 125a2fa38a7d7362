from kubeletsim.config.findings import Finding, in_reading_order


def test_a_finding_reads_like_a_compilers_line() -> None:
    finding = Finding("port", 70000, "must be between 1 and 65535", source="kubelet.yaml", line=12)
    assert str(finding) == "kubelet.yaml:12: port: 70000: must be between 1 and 65535"
    assert str(Finding("failSwapOn", True, "must be false", source="a")) == "a: failSwapOn: true: must be false"
    assert str(Finding("--node-ip", "x", "must be an IP address")) == '--node-ip: "x": must be an IP address'
    assert str(Finding("kind", None, "must be given")) == "kind: must be given"


def test_findings_come_file_by_file_and_line_by_line_without_repetition() -> None:
    def at(source: str, line: int | None) -> Finding:
        return Finding("p", None, "r", source=source, line=line)

    found = [at("b", 9), at("a", None), at("a", 2), at("b", 1), at("b", 9)]
    assert in_reading_order(found) == [at("b", 1), at("b", 9), at("a", 2), at("a", None)]
