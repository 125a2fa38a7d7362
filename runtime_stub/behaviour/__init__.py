"""How the simulated runtime behaves: its names, its words for errors, how long things take, which spans it shows.

Pure. `plan` is the language in which a profile describes a call: spans, time, steps, conditions; `profiles` are the
descriptions of containerd, CRI-O and a plain runtime; `latency` turns latency names into seconds; `content` makes an
image out of its reference; `usage` makes a container's statistics; `refusals` words what state refuses.
"""
