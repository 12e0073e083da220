"""The few kinds of panels the dashboards are made of, on the builders of Grafana's own Foundation SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.bargauge import Panel as BarGaugePanel
from grafana_foundation_sdk.builders.heatmap import Panel as HeatmapPanel
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as StatPanel
from grafana_foundation_sdk.builders.table import Panel as TablePanel
from grafana_foundation_sdk.builders.timeseries import Panel as TimeseriesPanel
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
SHARE, SECONDS, NUMBER, BYTES = "percentunit", "s", "short", "bytes"
STAT_HEIGHT, LOW_HEIGHT, HEIGHT, WIDTH = 5, 6, 8, 24

Part = build.Row | StatPanel | TimeseriesPanel | BarGaugePanel | HeatmapPanel | TablePanel
Target = Builder[variants.Dataquery]
#: A query and its legend.
Query = tuple[str, str]


def steps(*pairs: tuple[float | None, str]) -> build.ThresholdsConfig:
    """Colours from values on; the first has no value."""
    return (
        build.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value, colour) for value, colour in pairs])
    )


PLAIN = steps((None, "blue"))
GOOD_ABOVE_ZERO = steps((None, "red"), (0.0, "green"))
ALARM_ABOVE_ZERO = steps((None, "green"), (1e-9, "red"))


def _targets(queries: Sequence[Query], *, instant: bool, table: bool = False, heatmap: bool = False) -> list[Target]:
    made: list[Target] = []
    for index, (expr, legend) in enumerate(queries):
        query = Dataquery().datasource(SOURCE).ref_id(chr(ord("A") + index)).expr(expr).legend_format(legend)
        query = query.instant() if instant else query.range()
        if table:
            query = query.format(PromQueryFormat.TABLE)
        elif heatmap:
            query = query.format(PromQueryFormat.HEATMAP)
        made.append(query)
    return made


def stat(
    title: str,
    description: str,
    *queries: Query,
    unit: str = NUMBER,
    width: int = 4,
    decimals: int | None = None,
    thresholds: build.ThresholdsConfig = PLAIN,
) -> StatPanel:
    """One figure (or a few) over what the dashboard shows."""
    panel = (
        StatPanel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(_targets(queries, instant=True))
        .unit(unit)
        .thresholds(thresholds)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(common.BigValueTextMode.AUTO)
        .no_value("no requests")
        .height(STAT_HEIGHT)
        .span(width)
    )
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str = NUMBER,
    width: int = 12,
    stacked: bool = False,
    top: float | None = None,
) -> TimeseriesPanel:
    """Figures over time."""
    panel = (
        TimeseriesPanel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(_targets(queries, instant=False))
        .unit(unit)
        .min(0)
        .fill_opacity(30 if stacked else 5)
        .legend(
            build_common.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .height(HEIGHT)
        .span(width)
    )
    if stacked:
        panel = panel.stacking(build_common.StackingConfig().mode(common.StackingMode.NORMAL))
    return panel if top is None else panel.max(top)


def bars(
    title: str,
    description: str,
    *queries: Query,
    unit: str = NUMBER,
    width: int = 12,
    height: int = HEIGHT,
    top: float | None = None,
) -> BarGaugePanel:
    """One bar a label value, over what the dashboard shows."""
    panel = (
        BarGaugePanel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(_targets(queries, instant=True))
        .unit(unit)
        .min(0)
        .thresholds(PLAIN)
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(height)
        .span(width)
    )
    return panel if top is None else panel.max(top)


def heatmap(title: str, description: str, query: str, *, width: int = 12) -> HeatmapPanel:
    """A histogram's buckets over time; ``query`` keeps ``le``."""
    return (
        HeatmapPanel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(_targets([(query, "{{le}}")], instant=False, heatmap=True))
        .calculate(False)
        .height(HEIGHT)
        .span(width)
    )


def table(
    title: str,
    description: str,
    columns: Mapping[str, tuple[str, str]],
    *,
    labels: Mapping[str, str],
    width: int = WIDTH,
    height: int = HEIGHT,
) -> TablePanel:
    """Instant queries joined by their labels into one table.

    Args:
        columns: a column's name to its query and unit.
        labels: the label columns that are shown, and their names.
    """
    panel = (
        TablePanel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(_targets([(expr, "") for expr, _ in columns.values()], instant=True, table=True))
        .with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
        .height(height)
        .span(width)
    )
    renamed = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(columns)}
    order = {name: index for index, name in enumerate([*labels, *renamed])}
    options: dict[str, object] = {
        "excludeByName": {"Time": True},
        "indexByName": order,
        "renameByName": {**renamed, **labels},
    }
    panel = panel.with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=options))
    for name, (_, unit) in columns.items():
        panel = panel.override_by_name(name, [dashboard.DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def start(uid: str, title: str, description: str, *, since: str = "now-24h") -> build.Dashboard:
    """An empty dashboard with the variables that all have, and links to the others."""
    return (
        build.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["cascade"])
        .timezone("browser")
        .refresh("1m")
        .time(since, "now")
        .readonly()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("Cascade")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["cascade"])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            build.QueryVariable("task")
            .label("Task")
            .datasource(SOURCE)
            .query("label_values(cascade_requests_total, task)")
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
        )
    )


def filled(board: build.Dashboard, parts: Sequence[Part]) -> build.Dashboard:
    """The dashboard with its rows and panels, numbered in order."""
    for number, part in enumerate(parts, 1):
        part = part.id(number)
        board = board.with_row(part) if isinstance(part, build.Row) else board.with_panel(part)
    return board
