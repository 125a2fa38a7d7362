"""What keeps the node clean and known.

`gc` decides what has to go; `container_sweeper` and `image_sweeper` carry it out on their periods, `container_removal`
and `container_logs` know what belongs to one container; `log_rotation` keeps logs small; `runtime_state` is the runtime
check that the sync loop obeys; `eviction_stats` looks at the node as the eviction manager does.
"""
