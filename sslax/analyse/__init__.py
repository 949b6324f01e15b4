"""What transformers do layer by layer: `sslax analyse`."""
