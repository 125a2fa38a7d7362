"""What every program here shares and that knows nothing of Kubernetes: time, telemetry, logs."""
