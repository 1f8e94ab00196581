"""The thesis' shares for a monitor and the VMs it watches."""

from __future__ import annotations

from hpcapvf.plan.mirror_share import Share, expected_share, monitor_near, share_advice


def test_the_lines_of_table_6_5() -> None:
    assert expected_share(1, near=True) == Share(44.0, 44.0)
    assert expected_share(2, near=False) == Share(42.1, 21.0)
    assert expected_share(3, near=True) == Share(30.4, 10.1)
    for watched in (0, 4):
        assert expected_share(watched, near=True) is None
        assert "not measured" in share_advice(watched).text


def test_three_watched_vms_have_the_figures_of_table_6_6_as_well() -> None:
    assert "48.0 % and 76.7 %" in share_advice(3).text
    assert "CAIDA" not in share_advice(2).text


def test_the_better_node_by_where_the_watched_are() -> None:
    assert [monitor_near(n) for n in (0, 1, 2, 3)] == [True, True, False, False]
