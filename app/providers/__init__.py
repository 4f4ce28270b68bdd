"""Where servers come from: one file a provider."""
