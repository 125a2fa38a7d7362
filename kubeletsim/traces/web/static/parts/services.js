// A service has one colour everywhere: the kubelet blue, its runtime amber, others what is left.

const KNOWN = { kubelet: 0, kubeletsim: 0, "runtime-stub": 1, containerd: 1, crio: 1, "cri-o": 1 };
const COLOURS = 6;

/** Those met so far, with the number of their colour: two of the same are avoided while there are others. */
const met = new Map();

export function colour(service) {
  if (Object.hasOwn(KNOWN, service)) return `var(--service-${KNOWN[service]})`;
  if (!met.has(service)) met.set(service, next(service));
  return `var(--service-${met.get(service)})`;
}

function next(service) {
  let hash = 7;
  for (let at = 0; at < service.length; at++) hash = (hash * 31 + service.charCodeAt(at)) >>> 0;
  const own = COLOURS - 2;
  const taken = [...met.values()];
  const wanted = Array.from({ length: own }, (_, by) => 2 + ((hash + by) % own));
  return wanted.find((number) => !taken.includes(number)) ?? wanted[0];
}
