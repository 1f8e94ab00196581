"""Every effect on the hypervisor host, behind small Protocols."""
