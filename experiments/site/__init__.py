"""The documentation as a site: pages drawn from code, configs and results."""
