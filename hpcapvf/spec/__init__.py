"""YAML text to a Request."""

from hpcapvf.spec.fields import KEYS, Key
from hpcapvf.spec.parse import default_of, parse_spec, spec_sha256

__all__ = ["KEYS", "Key", "default_of", "parse_spec", "spec_sha256"]
