"""The proof with real packets: rounds of probes, the canary that runs them for ever, and what a browser sends."""
