"""Restart policies and rules."""

import pytest

from kubeletsim.model.pod import container_restart_policy, matching_restart_rule, restarts_on_exit
from tests.fakes.pods import container, make_pod, sidecar


@pytest.mark.parametrize(
    ("policy", "exit_code", "restarts"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_pods_policy_decides_by_exit_code(policy, exit_code, restarts):
    pod = make_pod(restartPolicy=policy)

    assert restarts_on_exit(pod, pod.spec.containers[0], exit_code=exit_code) is restarts


def test_a_containers_policy_outranks_the_pods():
    pod = make_pod(container("app", restartPolicy="Never"), restartPolicy="Always")

    assert not restarts_on_exit(pod, pod.spec.containers[0], exit_code=1)


def test_a_sidecar_restarts_in_a_pod_that_never_does():
    pod = make_pod(init=[sidecar("proxy")], restartPolicy="Never")

    assert restarts_on_exit(pod, pod.spec.initContainers[0], exit_code=0)
    assert container_restart_policy(pod, pod.spec.initContainers[0]) == "Always"


@pytest.mark.parametrize(
    ("operator", "exit_code", "restarts"), [("In", 42, True), ("In", 1, False), ("NotIn", 1, True)]
)
def test_a_rule_for_the_exit_code_outranks_the_containers_policy(operator, exit_code, restarts):
    rule = {"action": "Restart", "exitCodes": {"operator": operator, "values": [42]}}
    pod = make_pod(container("app", restartPolicy="Never", restartPolicyRules=[rule]))

    assert restarts_on_exit(pod, pod.spec.containers[0], exit_code=exit_code) is restarts


def test_the_first_rule_that_matches_names_the_action():
    rules = [
        {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}},
        {"action": "Restart", "exitCodes": {"operator": "In", "values": [1, 2]}},
        {"action": "Restart"},
    ]
    app = make_pod(container("app", restartPolicy="Never", restartPolicyRules=rules)).spec.containers[0]

    assert matching_restart_rule(app, exit_code=1) == "RestartAllContainers"
    assert matching_restart_rule(app, exit_code=2) == "Restart"
    assert matching_restart_rule(app, exit_code=3) is None
