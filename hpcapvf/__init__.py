"""Deploy and verify virtual network probes on SR-IOV hosts."""

__version__ = "0.1.0"
