"""This module is containerd 2.4: the spans inside each call and the time they take.

Trees, attributes and events are those of a real containerd (docs/runtime-stub.md has them drawn); the medians are the
recordings' in tests/golden, where those have the call, otherwise those of the reference's laboratory. Pieces of work
that containerd does in less than a tenth of a millisecond have no entry: the stub itself takes that long.
"""

from collections.abc import Mapping

from runtime_stub.behaviour.latency import Latency
from runtime_stub.behaviour.plan import (
    Attempt,
    Attributes,
    Beside,
    Do,
    Each,
    Fact,
    Mark,
    Note,
    Overlap,
    Plan,
    Plans,
    Spend,
    When,
)
from runtime_stub.behaviour.profiles.containerd_spans import (
    CONTAINER,
    LAYER,
    NAMESPACE,
    SANDBOX,
    SANDBOX_TIMES,
    delete_container,
    handler,
    http,
    inner,
    kill,
    log,
    new_container,
    new_task,
    start_task,
    store,
    task,
)
from runtime_stub.behaviour.profiles.containerd_wordings import WORDINGS
from runtime_stub.behaviour.profiles.profile import Profile

_NETWORK = inner(
    "cni.setup_pod_network",
    Mark("cni.setup.start"),
    Spend("cni.setup"),
    Do("address"),
    Mark("cni.setup.complete"),
    attributes=(
        *SANDBOX,
        ("netns.path", Fact("netns")),
        ("runtime.handler", Fact("handler")),
        ("sandbox.ip", Fact("ip")),
        ("sandbox.additional_ips.count", Fact("additional_ips")),
    ),
)

_UPDATE_SANDBOX = store(
    "sandbox", "Update", "store.sandbox_update", SANDBOX_TIMES, (("sandbox.UpdatedAt", Fact("created_at")),)
)

_PULL: Plan = (
    Note((("image.ref", Fact("image")), ("snapshotter.name", Fact("snapshotter")))),
    Spend("pull.prepare"),
    http("HEAD", "manifest_url", Spend("pull.resolve"), Do("resolve")),
    When(
        "absent",
        (
            handler("manifest"),
            handler("config"),
            inner(
                "pkg.unpack.unpacker.unpack",
                Overlap(
                    "layers",
                    (
                        inner(
                            "pkg.unpack.unpacker.fetchLayer",
                            http("GET", "url", Spend("pull.fetch_megabyte", times="megabytes")),
                            attributes=LAYER,
                        ),
                    ),
                    (
                        inner(
                            "pkg.unpack.unpacker.unpackLayer",
                            Spend("pull.unpack_megabyte", times="megabytes"),
                            attributes=LAYER,
                        ),
                        Do("keep"),
                    ),
                    at_once=3,  # max_concurrent_downloads
                ),
            ),
        ),
    ),
    Spend("pull.finish"),
    Do("commit"),
    Mark("Pull and unpack image complete"),
)

_PROCESS: Attributes = (("process.id", Fact("exec_id")), ("process.task.id", Fact("id")))

_STOP_RUNNING: Plan = (
    task("State", "task.state"),
    When(
        "graceful",
        (
            When("unsignalled", (log('Stop container "{id}" with signal {signal}'), kill("terminate"))),
            Do("await grace"),
        ),
    ),
    When(
        "running",
        (
            log('Kill container "{id}"'),
            kill("kill"),
            Do("await exit"),
            Mark("container stopped", CONTAINER, "container.stop.duration"),
        ),
    ),
)

_STOP: Plan = (
    When(
        "ended",
        (log('Container to stop "{id}" must be in running or unknown state, current state "CONTAINER_{state}"'),),
    ),
    When("running", _STOP_RUNNING),
)

_STOP_SANDBOX: Plan = (
    Note((("sandbox.id", Fact("sandbox_id")),)),
    Mark("stopping containers in the sandbox"),
    Each("containers", _STOP),
    When(
        "sandbox running",
        (task("State", "task.state"), kill("kill sandbox"), Spend("sandbox.exit"), Do("sandbox stopped")),
    ),
    Mark("sandbox container stopped", (), "sandbox.stop.duration"),
    When(
        "networked",
        (
            Mark("start pod network teardown"),
            Spend("cni.teardown"),
            Do("release network"),
            Mark("finished pod network teardown", (), "network.teardown.duration"),
        ),
    ),
    log('TearDown network for sandbox "{id}" successfully'),
    Spend("sandbox.clean_up"),
)

_REMOVE: Plan = (
    Note(CONTAINER),
    When("running", _STOP_RUNNING),
    Do("claim"),
    Spend("container.remove"),
    delete_container(),
    Do("commit"),
    Mark("container removed", CONTAINER, "container.remove.duration"),
)

_MAKE_SANDBOX: Plan = (
    When("pod network", (Mark("setup pod network"), _UPDATE_SANDBOX, _NETWORK, _UPDATE_SANDBOX)),
    Each("sandbox image", _PULL),
    Spend("sandbox.prepare"),
    new_container("sandbox.container"),
    new_task("sandbox.shim", "sandbox.task_create", "sandbox.task_connect", shim=(("namespace", NAMESPACE),)),
    start_task("sandbox.task_start"),
    _UPDATE_SANDBOX,
    Do("commit"),
)

PLANS: Plans = {
    "RunPodSandbox": (
        log("RunPodSandbox for {metadata}"),
        inner(
            "cri.sandbox.run",
            store("sandbox", "Create", "store.sandbox_create", SANDBOX_TIMES),
            Attempt(_MAKE_SANDBOX, (store("sandbox", "Delete", "store.sandbox_delete"),)),
            attributes=(*SANDBOX, ("sandbox.name", Fact("name"))),
        ),
        Spend("sandbox.answer"),
        log('RunPodSandbox for {metadata} returns sandbox id "{id}"'),
    ),
    "CreateContainer": (
        log('CreateContainer within sandbox "{sandbox_id}" for container {metadata}'),
        Note((("sandbox.id", Fact("sandbox_id")), ("sandbox.pid", Fact("sandbox_pid_text")))),
        Note((("container.id", Fact("id")), ("container.name", Fact("name")))),
        Spend("container.prepare"),
        Note((("container.image.ref", Fact("image")),)),
        new_container("container.create"),
        Spend("container.store"),
        Do("commit"),
        Mark("container created", (), "container.create.duration"),
        log('CreateContainer within sandbox "{sandbox_id}" for {metadata} returns container id "{id}"'),
    ),
    "StartContainer": (
        log('StartContainer for "{id}"'),
        Note((("container.id", Fact("id")), ("sandbox.id", Fact("sandbox_id")))),
        Spend("start.prepare"),
        new_task("start.loggers", "start.task_create", "start.task_connect", Do("execute")),
        start_task("start.task_start"),
        Do("commit"),
        Spend("start.finish"),
        Mark("container started", (), "container.start.duration"),
        log('StartContainer for "{id}" returns successfully'),
    ),
    "StopContainer": (
        log('StopContainer for "{id}" with timeout {timeout} (s)'),
        Note(CONTAINER),
        *_STOP,
        log('StopContainer for "{id}" returns successfully'),
    ),
    "StopPodSandbox": (
        log('StopPodSandbox for "{id}"'),
        *_STOP_SANDBOX,
        log('StopPodSandbox for "{id}" returns successfully'),
    ),
    "RemoveContainer": (
        log('RemoveContainer for "{id}"'),
        *_REMOVE,
        log('RemoveContainer for "{id}" returns successfully'),
    ),
    "RemovePodSandbox": (
        log('RemovePodSandbox for "{id}"'),
        log('Forcibly stopping sandbox "{id}"'),
        *_STOP_SANDBOX,
        Each("containers", _REMOVE),
        Spend("sandbox.remove"),
        delete_container(),  # the pause container, whose id is the sandbox's
        store("sandbox", "Delete", "store.sandbox_delete"),
        Do("commit"),
        log("Ensure that sandbox {id} in task-service has been cleanup successfully"),
        Mark("pod sandbox removed", (), "sandbox.remove.duration"),
        log('RemovePodSandbox "{id}" returns successfully'),
    ),
    "ExecSync": (
        Note(CONTAINER),
        task("State", "task.state"),
        inner(
            "client.task.Exec",
            task("Exec", "exec.create"),
            attributes=(("task.id", Fact("id")), ("namespace", NAMESPACE), ("task.exec.id", Fact("exec_id"))),
        ),
        Beside(
            (
                inner(
                    "process.Start",
                    task("State", "task.state"),
                    task("Start", "exec.start", Do("start")),
                    task("State", "task.state"),
                    attributes=(*_PROCESS, ("process.pid", Fact("exec_pid"))),
                ),
            ),
            (
                inner(
                    "process.Wait",
                    task("State", "task.state"),
                    task("Wait", "", Do("wait"), Spend("exec.exit")),
                    attributes=_PROCESS,
                ),
            ),
        ),
        When(
            "timed out",
            (
                inner(
                    "process.Kill",
                    task("State", "task.state"),
                    task("Kill", "exec.kill"),
                    attributes=(*_PROCESS, ("process.pid", Fact("exec_pid"))),
                ),
                Do("time out"),
            ),
        ),
    ),
    "UpdateContainerResources": (
        inner("container.Update", store("containers", "Update", "store.container_update")),
        When("running", (task("State", "task.state"), inner("task.Update", task("Update", "task.update")))),
        Do("commit"),
    ),
    "PullImage": (
        log('PullImage "{asked}"'),
        *_PULL,
        log('PullImage "{asked}" returns image reference "{image_id}"'),
    ),
    "RemoveImage": (
        log('RemoveImage "{asked}"'),
        Note((("image.id", Fact("id")),)),
        Spend("image.remove"),
        Do("commit"),
        log('RemoveImage "{asked}" returns successfully'),
    ),
    "ContainerStats": (task("Stats", "task.stats"),),
    "ListContainerStats": (Each("containers", (task("Stats", "task.stats"),)),),
}

LATENCIES: Mapping[str, Latency] = {
    name: Latency(median_ms)
    for name, median_ms in {
        "store.sandbox_create": 0.57,
        "store.sandbox_update": 2.72,
        "store.sandbox_delete": 0.42,
        "store.container": 0.05,
        "store.container_update": 3.0,
        "store.container_delete": 0.08,
        "cni.setup": 27.0,
        "cni.teardown": 70.0,
        "sandbox.prepare": 3.97,
        "sandbox.container": 4.49,
        "sandbox.shim": 32.1,
        "sandbox.task_create": 70.46,
        "sandbox.task_connect": 0.66,
        "sandbox.task_start": 13.73,
        "sandbox.answer": 0.44,
        "sandbox.exit": 48.0,
        "sandbox.clean_up": 0.4,
        "sandbox.remove": 3.4,
        "container.prepare": 1.9,
        "container.create": 5.24,
        "container.store": 0.8,
        "container.remove": 2.41,
        "container.delete": 1.25,
        "start.prepare": 1.8,
        "start.loggers": 2.26,
        "start.task_create": 43.06,
        "start.task_connect": 0.35,
        "start.task_start": 9.07,
        "start.finish": 1.8,
        "task.state": 0.42,
        "task.kill": 11.1,
        "task.exit": 36.0,
        "task.stats": 1.2,
        "task.update": 7.0,
        "task.delete": 0.31,
        "task.shutdown": 0.09,
        "exec.create": 1.2,
        "exec.start": 31.0,
        "exec.exit": 2.0,
        "exec.kill": 0.24,
        "pull.prepare": 4.9,
        "pull.resolve": 1.1,
        "pull.fetch_descriptor": 3.0,
        "pull.fetch_megabyte": 8.0,
        "pull.unpack_megabyte": 10.0,
        "pull.finish": 4.0,
        "image.remove": 3.3,
    }.items()
}
"""Medians in milliseconds. `task.exit` is in no plan: it passes between a process's end and the notice of it."""

CONTAINERD = Profile(
    name="containerd",
    runtime_name="containerd",
    runtime_version="2.4.0",
    plans=PLANS,
    latencies=LATENCIES,
    wordings=WORDINGS,
    excepted=(
        *("RunPodSandbox", "StopPodSandbox", "RemovePodSandbox", "PullImage", "RemoveImage"),
        *("CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "ExecSync", "Exec", "Attach"),
    ),
    conditions=("ContainerdHasNoDeprecationWarnings",),
)
