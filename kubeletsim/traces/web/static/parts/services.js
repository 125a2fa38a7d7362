// A service has one colour everywhere: the kubelet blue, its runtime amber, others what is left.

const KNOWN = { kubelet: 0, kubeletsim: 0, "runtime-stub": 1, containerd: 1, crio: 1, "cri-o": 1 };
const COLOURS = 6;

export function colour(service) {
  if (service in KNOWN) return `var(--service-${KNOWN[service]})`;
  let hash = 7;
  for (let at = 0; at < service.length; at++) hash = (hash * 31 + service.charCodeAt(at)) >>> 0;
  return `var(--service-${2 + (hash % (COLOURS - 2))})`;
}
