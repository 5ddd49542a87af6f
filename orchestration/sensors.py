"""What happens without a clock: a source that changed, settings that changed, a run that failed."""

import dagster as dg

from core.catalog import UnreachableError
from core.categories import Category
from core.errors import InputError
from orchestration import alerts
from orchestration.assets import inputs
from orchestration.jobs import ask, rebuild
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager

_SOURCE_SECONDS = 300
_SETTINGS_SECONDS = 60


def _source_sensor(category: Category) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"source_{category.name}",
        job=rebuild,
        minimum_interval_seconds=_SOURCE_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if category.watch else dg.DefaultSensorStatus.STOPPED,
        description=f"Rebuilds {category.title} when its source changes: size and time, ETag or checksum.",
    )
    def changed_source(
        context: dg.SensorEvaluationContext, store: dg.ResourceParam[StoreIOManager]
    ) -> dg.RunRequest | dg.SkipReason:
        return _when_changed(context, CATEGORIES[category.name], store)

    return changed_source


def _when_changed(
    context: dg.SensorEvaluationContext, category: Category, store: StoreIOManager
) -> dg.RunRequest | dg.SkipReason:
    """A file that is being copied looks new at every tick: what is asked for has stood still since the last one, whose
    state is the cursor."""
    try:
        state = inputs.source_state(category)
    except (UnreachableError, InputError) as error:
        return dg.SkipReason(f"{category.name}: {error}")
    if state is None:
        return dg.SkipReason(f"{category.name}: the server does not tell whether the source changed; use a schedule")
    inputs.report(context.instance, inputs.observation(inputs.SOURCE, category.name, state))
    made = store.store.earlier("raw_products", category.name)
    if made is not None and made.info.get("source") == state:
        context.update_cursor("")
        return dg.SkipReason(f"{category.name}: the source is as it was when it was read")
    now = inputs.version(state)
    if context.cursor != now:
        context.update_cursor(now)
        return dg.SkipReason(
            f"{category.name}: the source changed; a rebuild is asked for once size and time have stood still for "
            f"{_SOURCE_SECONDS} s"
        )
    # One request per state and artefact: a source that fails is not tried again until it changes, and one that is put
    # back to an earlier state is read again.
    key = f"{category.name} {now} {made.version if made else 'first'}"
    why = "the source changed" if made else "the source was never read"
    return ask(context, category, state, why, run_key=key)


@dg.sensor(
    minimum_interval_seconds=_SETTINGS_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports changed settings of categories.yaml, so that the UI shows what they make out of date.",
)
def settings_reported(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Starts nothing; what is out of date is for a person, or the schedule, to rebuild."""
    changed = inputs.report_settings(context.instance)
    return dg.SkipReason(f"settings reported: {', '.join(changed)}" if changed else "all settings are as reported")


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING if alerts.webhook() else dg.DefaultSensorStatus.STOPPED,
    description=f"Posts every failed run to the webhook named by {alerts.VARIABLE}; off unless that is set.",
)
def failure_webhook(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """A webhook that does not answer is a line in the tick's log: the failed run itself is in the UI anyway."""
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
    description="Fails for as long as categories.yaml has entries that cannot be used, and says why.",
)
def categories_refused() -> None:
    """The other categories load, so what is wrong with the file must be seen where people look for failures."""
    raise InputError(" ".join(CATEGORIES.refused.values()))


sensors = [
    *(_source_sensor(category) for category in CATEGORIES.values() if category.source != "sample"),
    settings_reported,
    failure_webhook,
    *([categories_refused] if CATEGORIES.refused else []),
]
