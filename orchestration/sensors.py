"""The sensors: they react to a source, rules, stock or settings that changed, and to a run that failed."""

import dagster as dg

from core.catalog import UnreachableError
from core.categories import Category
from core.changes import changed_parts
from core.errors import InputError
from core.recommendations.rules.book import RuleBook
from orchestration import alerts, observations
from orchestration.assets.external import RULES, SOURCE
from orchestration.jobs import rebuild
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager
from orchestration.runs.requests import request_run
from orchestration.staleness import lists_and_what_follows

_SOURCE_SECONDS = 300
_SETTINGS_SECONDS = 60
_LISTS_SECONDS = 60


def _source_sensor(category: Category) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"source_{category.name}",
        job=rebuild,
        minimum_interval_seconds=_SOURCE_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if category.watch else dg.DefaultSensorStatus.STOPPED,
        description=f"Rebuilds {category.title} when its source changes: its size and time, ETag or checksum.",
    )
    def source_sensor(
        context: dg.SensorEvaluationContext, store: dg.ResourceParam[StoreIOManager]
    ) -> dg.RunRequest | dg.SkipReason:
        return _evaluate(context, CATEGORIES[category.name], store)

    return source_sensor


def _evaluate(
    context: dg.SensorEvaluationContext, category: Category, store: StoreIOManager
) -> dg.RunRequest | dg.SkipReason:
    """Request a rebuild once the source has stayed the same from one tick to the next.

    A file that is being copied looks new at every tick. The cursor holds the state that the previous tick saw.
    """
    try:
        state = observations.source_state(category)
    except (UnreachableError, InputError) as error:
        return dg.SkipReason(f"{category.name}: {error}")
    if state is None:
        return dg.SkipReason(
            f"{category.name}: the server does not report whether the source changed; use a schedule instead"
        )
    observations.report(context.instance, observations.observation(SOURCE, category.name, state))
    latest = store.store.earlier("raw_products", category.name)
    if latest is not None and latest.info.get("source") == state:
        context.update_cursor("")
        return dg.SkipReason(f"{category.name}: the source has not changed since it was read")
    version = observations.data_version(state)
    if context.cursor != version:
        context.update_cursor(version)
        return dg.SkipReason(
            f"{category.name}: the source changed; a rebuild is requested once it has stayed the same for "
            f"{_SOURCE_SECONDS} s"
        )
    # One request per state and artefact: a source that fails is not tried again until it changes, and a source that is
    # put back to an earlier state is read again.
    run_key = f"{category.name} {version} {latest.version if latest else 'first'}"
    reason = "the source changed" if latest else "the source was never read"
    return request_run(context, category, state, reason, run_key=run_key)


def _lists_sensor(category: Category) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"lists_{category.name}",
        job=rebuild,
        minimum_interval_seconds=_LISTS_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if category.watch else dg.DefaultSensorStatus.STOPPED,
        description=f"Rebuilds the lists of {category.title} when its rules, stock table or pins change; no model.",
    )
    def lists_sensor(
        context: dg.SensorEvaluationContext, store: dg.ResourceParam[StoreIOManager]
    ) -> dg.RunRequest | dg.SkipReason:
        return _evaluate_lists(context, CATEGORIES[category.name], store)

    return lists_sensor


def _evaluate_lists(
    context: dg.SensorEvaluationContext, category: Category, store: StoreIOManager
) -> dg.RunRequest | dg.SkipReason:
    """Request the lists once the rules, the stock table and the pins have stayed the same from one tick to the next."""
    state = observations.lists_state(category)
    observations.report(context.instance, observations.observation(RULES, category.name, state))
    latest = store.store.earlier("recommendations", category.name)
    if latest is None or store.store.earlier("final_models", category.name) is None:
        return dg.SkipReason(f"{category.name}: there are no lists yet; materialize the category first")
    parts = changed_parts(latest.info.get("lists"), state)
    if not parts:
        context.update_cursor("")
        return dg.SkipReason(f"{category.name}: rules, stock and pins have not changed since the lists were made")
    what = f"{' and '.join(parts)} changed"
    version = observations.data_version(state)
    if context.cursor != version:
        context.update_cursor(version)
        return dg.SkipReason(
            f"{category.name}: {what}; the lists are requested once they have stayed the same for {_LISTS_SECONDS} s"
        )
    run_key = f"{category.name} lists {version} {latest.version}"
    return request_run(context, category, None, what, lists_and_what_follows(category), run_key)


@dg.sensor(
    minimum_interval_seconds=_SETTINGS_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports changed settings of categories.yaml, so that the UI shows which assets they make out of date.",
)
def settings_reported(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Report only: a person or the schedule rebuilds what is out of date."""
    changed = observations.report_settings(context.instance)
    return dg.SkipReason(f"reported changed settings: {', '.join(changed)}" if changed else "no settings changed")


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING if alerts.webhook() else dg.DefaultSensorStatus.STOPPED,
    description=f"Posts every failed run to the webhook in {alerts.VARIABLE}. It is off if that is not set.",
)
def failure_webhook(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Post the run. A webhook that does not answer is a line in the tick's log: the UI shows the failed run anyway."""
    url = alerts.webhook()
    if not url:
        return dg.SkipReason(f"{alerts.VARIABLE} is not set")
    trouble = alerts.post(url, alerts.message(context.dagster_run, context.get_step_failure_events()))
    if trouble:
        context.log.warning(trouble)
        return dg.SkipReason(trouble)
    return None


@dg.sensor(
    minimum_interval_seconds=_SOURCE_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails as long as categories.yaml has entries that cannot be used, and says why.",
)
def categories_refused() -> None:
    """Fail: the other categories load, so the mistakes in the file must be seen where people look for failures."""
    raise InputError(" ".join(CATEGORIES.refused.values()))


SENSORS = [
    *(
        _lists_sensor(category)
        for category in CATEGORIES.values()
        if category.stock or category.pins or category.rules != RuleBook()
    ),
    *(_source_sensor(category) for category in CATEGORIES.values() if category.source != "sample"),
    settings_reported,
    failure_webhook,
    *([categories_refused] if CATEGORIES.refused else []),
]
