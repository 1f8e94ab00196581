"""What stands in a deployment's way on a host, each finding with cause and remedy; a function of data."""

from hpcapvf.doctor.examine import examine

__all__ = ["examine"]
