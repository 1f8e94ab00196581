

def guard_unit(name: str) -> str:
    """The systemd unit that guards a deployment's registers."""
    return f"hpcapvf-guard-{name}.service"


def guard_path(name: str) -> str:
    """Where the register guard keeps its counts."""
    return f"/run/hpcapvf/{name}/guard.json"
