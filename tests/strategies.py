"""Hypothesis strategies shared by the tests; a new rule that needs a generator adds it here."""

from typing import Any

from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.base.duration import Duration
from kubeletsim.model.pod import all_containers
from kubeletsim.model.quantity import Quantity, QuantityFormat
from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerState,
    ImageID,
    ObservedPod,
    PodUID,
    Sandbox,
    SandboxID,
    SandboxState,
)
from kubeletsim.traces.span import Span
from kubeletsim.upkeep.gc import ImageRecord
from tests.fakes.pods import container, make_pod, observed, sandbox, sidecar, status


def node_containers(*, names: int = 3, pods: int = 3) -> st.SearchStrategy[list[Container]]:
    """Lists of containers of a few pods, any state, with unique ids and creation times (1 to 100 s)."""
    container = st.builds(
        lambda number, state, name, pod: Container(
            id=ContainerID(f"c{number}"),
            sandbox_id=SandboxID(f"s{pod}"),
            name=f"app{name}",
            state=state,
            created_at=number * 1_000_000_000,
            labels={"io.kubernetes.pod.uid": f"pod{pod}"},
        ),
        st.integers(1, 100),
        st.sampled_from(ContainerState),
        st.integers(1, names),
        st.integers(1, pods),
    )
    return st.lists(container, max_size=25, unique_by=lambda made: made.id)


def node_sandboxes(*, pods: int = 3) -> st.SearchStrategy[list[Sandbox]]:
    """Lists of sandboxes of a few pods, with unique ids and creation times."""
    sandbox = st.builds(
        lambda number, state, pod: Sandbox(
            id=SandboxID(f"s{number}"),
            name=f"pod{pod}",
            namespace="default",
            uid=PodUID(f"pod{pod}"),
            state=state,
            created_at=number * 1_000_000_000,
        ),
        st.integers(1, 30),
        st.sampled_from(SandboxState),
        st.integers(1, pods),
    )
    return st.lists(sandbox, max_size=12, unique_by=lambda made: made.id)


def image_records() -> st.SearchStrategy[dict[ImageID, ImageRecord]]:
    """What an image collector may remember: times from 0 to 1000, sizes from 0 to 100 bytes."""
    record = st.builds(
        lambda number, **facts: ImageRecord(id=ImageID(f"sha256:{number}"), **facts),
        st.integers(1, 50),
        first_detected=st.integers(0, 1000).map(float),
        last_used=st.integers(0, 1000).map(float),
        size_bytes=st.integers(0, 100),
        pinned=st.booleans(),
    )
    records = st.lists(record, max_size=12, unique_by=lambda made: made.id)
    return records.map(lambda made: {record.id: record for record in made})


def pods() -> st.SearchStrategy[Pod]:
    """Pods of one to three containers, up to three init containers, some of them sidecars, and any restart policy.

    Regular containers may have policies and exit-code rules of their own.
    """
    policies = st.sampled_from(["Always", "OnFailure", "Never"])
    rule = st.fixed_dictionaries(
        {
            "action": st.sampled_from(["Restart", "RestartAllContainers"]),
            "exitCodes": st.fixed_dictionaries(
                {
                    "operator": st.sampled_from(["In", "NotIn"]),
                    "values": st.sets(st.integers(0, 1), min_size=1).map(list),
                }
            ),
        }
    )
    own = st.just({}) | st.fixed_dictionaries(
        {"restartPolicy": policies}, optional={"restartPolicyRules": st.lists(rule, max_size=2)}
    )
    init = st.lists(st.booleans(), max_size=3).map(
        lambda kinds: [(sidecar if stays else container)(f"i{number}") for number, stays in enumerate(kinds)]
    )
    return st.builds(
        lambda fields, init, policy, host, debug: make_pod(
            *(container(f"c{number}", **more) for number, more in enumerate(fields)),
            init=init,
            restartPolicy=policy,
            hostNetwork=host,
            ephemeralContainers=[container("debug")] if debug else [],
        ),
        st.lists(own, min_size=1, max_size=3),
        init,
        policies,
        st.booleans(),
        st.booleans(),
    )


@st.composite
def observed_pods(draw: st.DrawFn, pod: Pod) -> ObservedPod:
    """Observations of a pod: up to two sandboxes, up to two instances of each container in any state, newest first."""
    host = bool(pod.spec and pod.spec.hostNetwork)
    attempts = range(draw(st.integers(0, 2)) - 1, -1, -1)
    sandboxes = [
        sandbox(
            attempt=attempt,
            ready=draw(st.booleans()),
            host_network=host,
            ips=() if host or draw(st.booleans()) else ("10.0.0.1",),
        )
        for attempt in attempts
    ]
    instances = [
        status(pod, one.name, draw(st.sampled_from(ContainerState)), exit_code=draw(st.integers(0, 1)), attempt=attempt)
        for one in all_containers(pod)
        for attempt in range(draw(st.integers(0, 2)))
    ]
    newest_first = sorted(instances, key=lambda one: one.attempt, reverse=True)
    return observed(*newest_first, sandboxes=sandboxes)


def durations() -> st.SearchStrategy[Duration]:
    """Every duration that 64 bits of nanoseconds hold, short ones as often as long ones."""
    magnitudes = st.one_of(st.integers(0, 10**4), st.integers(0, 10**10), st.integers(0, 2**63 - 1))
    return st.builds(lambda sign, ns: Duration(sign * ns), st.sampled_from([1, -1]), magnitudes)


def quantities() -> st.SearchStrategy[Quantity]:
    """Amounts of every size that upstream can hold, in every suffix family."""
    limit = (2**63 - 1) * 10**9
    nanos = st.one_of(
        st.integers(-(10**12), 10**12),
        st.integers(-(10**9), 10**9).map(lambda n: n * 10**9),
        st.integers(-limit, limit),
    )
    return st.builds(Quantity, nanos, st.sampled_from(QuantityFormat))


def viewer_spans(*, max_size: int = 15) -> st.SearchStrategy[list[Span]]:
    """Spans of one trace with hardly any sense in them: few ids, so parents repeat, are missing, or form cycles."""
    span_ids = st.sampled_from([f"{number:016x}" for number in range(1, 9)])
    span = st.builds(
        Span,
        trace_id=st.just("ab" * 16),
        span_id=span_ids,
        parent_span_id=st.one_of(st.just(""), span_ids, st.just("f" * 16)),
        name=st.sampled_from(["a", "b", "\x1b[31mred", ""]),
        service=st.sampled_from(["kubelet", "containerd"]),
        start_ns=st.integers(0, 100),
        end_ns=st.integers(0, 100),
        error=st.booleans(),
        status_message=st.sampled_from(["", "it failed", "two\nlines\x07"]),
        attributes=st.sampled_from([{}, {"k8s.pod.name": "web", "\x1b]0;title\x07": ["a", 1, None, {"b": True}]}]),
    )
    return st.lists(span, max_size=max_size)


def otlp_resource_spans() -> st.SearchStrategy[ResourceSpans]:
    """ResourceSpans with every field of the data model, any text, numbers up to the limits of their types."""

    def pairs(inner: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[KeyValue]:
        return st.builds(KeyValue, key=st.text(max_size=5), value=inner)

    value: st.SearchStrategy[AnyValue] = st.recursive(
        st.one_of(
            st.builds(AnyValue, string_value=st.text(max_size=10)),
            st.builds(AnyValue, bool_value=st.booleans()),
            st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
            st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
            st.builds(AnyValue, bytes_value=st.binary(max_size=10)),
            st.just(AnyValue()),
        ),
        lambda inner: st.one_of(
            st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=2))),
            st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=st.lists(pairs(inner), max_size=2))),
        ),
        max_leaves=4,
    )

    attributes = st.lists(pairs(value), max_size=3)
    trace_id, span_id = st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)
    times = st.integers(0, 2**64 - 1)
    counts = st.integers(0, 2**32 - 1)
    event = st.builds(SpanMessage.Event, name=st.text(max_size=5), time_unix_nano=times, attributes=attributes)
    link = st.builds(
        SpanMessage.Link, trace_id=trace_id, span_id=span_id, trace_state=st.text(max_size=5), attributes=attributes
    )
    span = st.builds(
        SpanMessage,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=st.one_of(st.just(b""), span_id),
        name=st.text(max_size=10),
        kind=st.sampled_from(list(SpanMessage.SpanKind.values())),
        start_time_unix_nano=times,
        end_time_unix_nano=times,
        attributes=attributes,
        events=st.lists(event, max_size=2),
        links=st.lists(link, max_size=2),
        status=st.builds(Status, code=st.sampled_from(list(Status.StatusCode.values())), message=st.text(max_size=5)),
        trace_state=st.text(max_size=5),
        flags=counts,
        dropped_attributes_count=counts,
        dropped_events_count=counts,
        dropped_links_count=counts,
    )

    def assemble(
        resource: list[KeyValue], scopes: list[tuple[str, str, list[SpanMessage]]], schema: str
    ) -> ResourceSpans:
        made = ResourceSpans(schema_url=schema)
        made.resource.attributes.extend(resource)
        for name, version, spans in scopes:
            scope_spans = made.scope_spans.add(spans=spans)
            scope_spans.scope.name, scope_spans.scope.version = name, version
        return made

    scope = st.tuples(st.text(max_size=5), st.text(max_size=5), st.lists(span, max_size=3))
    return st.builds(assemble, attributes, st.lists(scope, max_size=2), st.text(max_size=5))


def manifests() -> st.SearchStrategy[dict[str, Any]]:
    """Manifests of static pods that a node accepts, with and without the fields that have defaults."""

    def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({}, optional=fields)

    names = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
    images = st.sampled_from(["web", "web:latest", "web:1", f"web@sha256:{'a' * 64}", "registry.invalid:5000/web"])
    probe = optional(
        periodSeconds=st.integers(0, 5), timeoutSeconds=st.integers(0, 5), failureThreshold=st.integers(0, 5)
    ).map(lambda fields: {"httpGet": {"port": 80}, **fields})
    amounts = optional(cpu=st.sampled_from(["1", "500m", 2]), memory=st.sampled_from(["64Mi", "1Gi", 1000]))
    fields = optional(
        imagePullPolicy=st.sampled_from(["Always", "IfNotPresent", "Never"]),
        livenessProbe=probe,
        ports=st.lists(st.fixed_dictionaries({"containerPort": st.integers(1, 65535)}), max_size=1),
        resources=amounts.map(lambda limits: {"limits": limits}),
        env=st.lists(st.fixed_dictionaries({"name": names, "value": st.text("abc$()", max_size=8)}), max_size=2),
    )
    one = st.builds(lambda name, image, more: {"name": name, "image": image, **more}, names, images, fields)
    containers = st.lists(one, min_size=1, max_size=3, unique_by=lambda made: made["name"])
    more = optional(
        restartPolicy=st.sampled_from(["Always", "OnFailure", "Never"]),
        hostNetwork=st.booleans(),
        terminationGracePeriodSeconds=st.integers(0, 60),
        volumes=st.lists(st.fixed_dictionaries({"name": names}), max_size=2, unique_by=lambda made: made["name"]),
    )
    labels = st.dictionaries(names, names, max_size=3)

    def manifest(name: str, labels: dict[str, str], containers: list[Any], spec: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": name, "labels": labels}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}

    made = st.builds(manifest, names, labels, containers, more)
    return made.filter(lambda made: not (made["spec"].get("hostNetwork") and _shares_a_port(made)))


def _shares_a_port(manifest: dict[str, Any]) -> bool:
    ports = [port["containerPort"] for made in manifest["spec"]["containers"] for port in made.get("ports", [])]
    return len(ports) != len(set(ports))


def json_documents() -> st.SearchStrategy[object]:
    """Whatever JSON can say, nested a few levels; keys repeat often, so that merges meet."""
    scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3)
    keys = st.sampled_from(["a", "b", "c"])
    return st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner), max_leaves=8)


def kubelet_documents() -> st.SearchStrategy[dict[str, object]]:
    """KubeletConfiguration documents whose fields have the right types, whatever their values."""
    texts = st.text(max_size=5)
    maps = st.dictionaries(texts, texts, max_size=3)
    taints = st.fixed_dictionaries({}, optional={"key": texts, "value": texts, "effect": texts, "timeAdded": texts})
    limits = st.dictionaries(texts, quantities().map(str), max_size=2)
    reservations = st.fixed_dictionaries({}, optional={"numaNode": st.integers(0, 9), "limits": limits})
    optional: dict[str, st.SearchStrategy[object]] = {
        "port": st.integers(0, 2**31 - 1),
        "healthzPort": st.none() | st.integers(0, 9),
        "address": texts,
        "resolvConf": texts,
        "syncFrequency": durations().map(str),
        "cgroupsPerQOS": st.booleans(),
        "rotateCertificates": st.booleans(),
        "memoryThrottlingFactor": st.none() | st.floats(-2, 2),
        "clusterDNS": st.lists(texts, max_size=3),
        "enforceNodeAllocatable": st.lists(texts, min_size=1, max_size=3),
        "evictionHard": st.none() | maps.filter(bool),
        "featureGates": st.dictionaries(texts, st.booleans(), max_size=3),
        "staticPodURLHeader": st.dictionaries(texts, st.lists(texts, max_size=2), max_size=2),
        "registerWithTaints": st.lists(taints, max_size=3),
        "reservedMemory": st.lists(reservations, max_size=3),
        "tracing": st.fixed_dictionaries({}, optional={"endpoint": texts, "samplingRatePerMillion": st.integers(0, 9)}),
        "logging": st.fixed_dictionaries({}, optional={"flushFrequency": durations().map(str), "format": texts}),
    }
    return st.fixed_dictionaries({}, optional=optional)
