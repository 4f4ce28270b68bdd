"""What becomes of a packet under a plan, traced through rules, routes and the ruleset without a kernel (pure)."""
