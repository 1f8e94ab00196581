"""The hash that names an image, and what apt says about versions."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from hpcapvf.lab.build_roots import BUILD_ROOTS
from hpcapvf.lab.recipe import RECIPES, Recipe, image_hash, script_text
from hpcapvf.lab.resolve import backports_of, parse_simulation, parse_sources
from hpcapvf.model.errors import LabFailed

RECIPE = Recipe("r", ("b", "a"), (), ("x.sh",), 100)
VERSIONS = {"a": "1", "b": "2"}
SCRIPTS = {"x.sh": "true\n"}


def test_the_order_of_packages_does_not_matter() -> None:
    other = replace(RECIPE, packages=("a", "b"))
    assert image_hash(RECIPE, VERSIONS, SCRIPTS) == image_hash(other, dict(reversed(VERSIONS.items())), SCRIPTS)


@pytest.mark.parametrize(
    ("recipe", "versions", "scripts", "extra"),
    [
        (replace(RECIPE, packages=("a",)), VERSIONS, SCRIPTS, ""),
        (replace(RECIPE, disk_mib=101), VERSIONS, SCRIPTS, ""),
        (replace(RECIPE, name="s"), VERSIONS, SCRIPTS, ""),
        (replace(RECIPE, newer=("qemu-*",)), VERSIONS, SCRIPTS, ""),
        (RECIPE, {"a": "1", "b": "3"}, SCRIPTS, ""),
        (RECIPE, {"a": "1", "b": "2", "c": "1"}, SCRIPTS, ""),
        (RECIPE, VERSIONS, {"x.sh": "false\n"}, ""),
        (RECIPE, VERSIONS, SCRIPTS, "more"),
    ],
)
def test_everything_an_image_is_made_of_counts(
    recipe: Recipe, versions: dict[str, str], scripts: dict[str, str], extra: str
) -> None:
    assert image_hash(recipe, versions, scripts, extra) != image_hash(RECIPE, VERSIONS, SCRIPTS)


def test_every_recipe_has_its_scripts() -> None:
    for recipe in RECIPES.values():
        for name in (*recipe.before_packages, *recipe.after_packages):
            assert script_text(name).startswith("#!/bin/sh\n")


def test_what_comes_from_backports_is_pinned_and_nothing_else() -> None:
    sources = "deb http://mirror/debian trixie main\ndeb http://mirror/debian trixie-updates main\n"
    assert backports_of(sources) == "deb http://mirror/debian trixie-backports main\n"
    assert RECIPES["server"].preferences.startswith("Package: qemu-* seabios\nPin: release a=*-backports\n")
    assert RECIPES["guest"].preferences == ""
    for recipe in (*RECIPES.values(), *BUILD_ROOTS.values()):
        assert bool(recipe.newer) == ("backports.sh" in recipe.scripts), recipe.name


def test_the_source_of_the_guests_clock_is_served_by_the_server() -> None:
    assert "chrony" in RECIPES["guest"].packages
    assert "chrony" in RECIPES["server"].packages
    source = re.search(r"'server (\S+) ", script_text("guest.sh"))
    allowed = re.search(r"\\nallow (\S+)\\n'", script_text("server.sh"))
    assert source and allowed
    assert ip_address(source[1]) in ip_network(allowed[1])


def test_simulated_installation_is_read() -> None:
    text = (
        "NOTE: This is only a simulation!\n"
        "Inst gcc-14-base (14.2.0-19 Debian:13.1/stable [amd64])\n"
        "Inst linux-image-6.12.117+deb13-amd64 (6.12.117-1 Debian-Security:13/stable-security [amd64]) []\n"
        "Conf gcc-14-base (14.2.0-19 Debian:13.1/stable [amd64])\n"
    )
    assert parse_simulation(text) == {"gcc-14-base": "14.2.0-19", "linux-image-6.12.117+deb13-amd64": "6.12.117-1"}


def test_the_archive_is_the_one_that_mmdebstrap_names() -> None:
    said = "I: running\ndeb http://archive.example/debian trixie main\nE: failed\n"
    assert parse_sources(said) == "deb http://archive.example/debian trixie main\n"
    with pytest.raises(LabFailed, match="does not say"):
        parse_sources("E: failed\n")
