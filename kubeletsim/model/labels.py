"""The labels and annotations by which a kubelet knows its sandboxes and containers again, written at the runtime.

They are all a kubelet has after a restart: whose container this is, which spec it was made from, how often it was
restarted, how much time it gets to stop.
Upstream: staging/src/k8s.io/kubelet/pkg/types/labels.go, pkg/kubelet/kuberuntime/labels.go.
"""

POD_NAME_LABEL = "io.kubernetes.pod.name"
POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
POD_UID_LABEL = "io.kubernetes.pod.uid"
CONTAINER_NAME_LABEL = "io.kubernetes.container.name"

CONTAINER_HASH_ANNOTATION = "io.kubernetes.container.hash"
"""Of the container's spec; another hash means another container."""
RESTART_COUNT_ANNOTATION = "io.kubernetes.container.restartCount"
TERMINATION_MESSAGE_PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath"
TERMINATION_MESSAGE_POLICY_ANNOTATION = "io.kubernetes.container.terminationMessagePolicy"
PRE_STOP_ANNOTATION = "io.kubernetes.container.preStopHandler"
"""The handler as JSON."""
PORTS_ANNOTATION = "io.kubernetes.container.ports"
"""The container's ports as JSON."""
DELETION_GRACE_ANNOTATION = "io.kubernetes.pod.deletionGracePeriod"
"""Seconds; on containers of pods that were to be deleted when they were made."""
TERMINATION_GRACE_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod"
"""Seconds that containers of the pod get to stop."""
