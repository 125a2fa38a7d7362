import pytest

from kubeletsim.base.suggestion import did_you_mean


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("staticpodpath", "; did you mean staticPodPath?"),
        ("statcPodPath", "; did you mean staticPodPath?"),
        ("samplingRate", "; did you mean samplingRatePerMillion?"),
        ("tracing", ""),
        ("s", ""),
    ],
)
def test_a_slip_gets_the_name_that_was_meant(name: str, suggestion: str) -> None:
    assert did_you_mean(name, ["staticPodPath", "samplingRatePerMillion"]) == suggestion
