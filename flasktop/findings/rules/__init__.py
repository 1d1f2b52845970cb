"""One rule a file; ``flasktop.findings.registry`` names them."""
