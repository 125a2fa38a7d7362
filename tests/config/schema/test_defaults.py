from kubeletsim.config.decode import decode
from kubeletsim.config.schema.defaults import flag_baseline, with_dependent_defaults, with_eviction_defaults
from kubeletsim.config.schema.encode import encode


def test_an_empty_document_and_its_own_print_mean_the_same() -> None:
    config = with_dependent_defaults(decode({}).config)
    again = with_dependent_defaults(decode(encode(config)).config)
    assert encode(again) == encode(config)


def test_the_baseline_of_a_kubelet_without_a_file_is_open() -> None:
    document = encode(flag_baseline())
    assert document["authentication"]["anonymous"] == {"enabled": True}
    assert document["authentication"]["webhook"] == {"enabled": False, "cacheTTL": "2m0s"}
    assert document["authorization"]["mode"] == "AlwaysAllow"
    assert document["readOnlyPort"] == 10255


def test_given_thresholds_stay_alone_unless_a_merge_is_asked_for() -> None:
    given = {"evictionHard": {"memory.available": "1Gi"}}
    assert with_eviction_defaults(decode(given).config).evictionHard == {"memory.available": "1Gi"}
    merged = with_eviction_defaults(decode({**given, "mergeDefaultEvictionSettings": True}).config).evictionHard
    assert merged is not None
    assert merged["memory.available"] == "1Gi"
    assert len(merged) == 5


def test_what_a_document_gives_outranks_dependent_defaults() -> None:
    given = {
        "nodeStatusUpdateFrequency": "30s",
        "nodeStatusReportFrequency": "1m",
        "maxParallelImagePulls": 3,
        "serializeImagePulls": True,
        "featureGates": {"KubeletCrashLoopBackOffMax": False, "KubeletEnsureSecretPulledImages": False},
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1m"},
        "imagePullCredentialsVerificationPolicy": "AlwaysVerify",
    }
    config = with_dependent_defaults(decode(given).config)
    assert str(config.nodeStatusReportFrequency) == "1m0s"
    assert config.serializeImagePulls
    assert str(config.crashLoopBackOff.maxContainerRestartPeriod) == "1m0s"
    assert config.imagePullCredentialsVerificationPolicy == "AlwaysVerify"
