"""What this project relies on in Dagster beyond its documented interface; a newer Dagster must pass these tests."""

import ast
import inspect
import logging.config
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from sqlalchemy.pool import NullPool

from orchestration import dagster_internals as internals
from orchestration import instance_storage
from orchestration.pools import GPU_POOL
from tests.conftest import ROOT
from tests.pipeline import local_instance, shipped_instance

FILE = ROOT / "orchestration" / "dagster_internals.py"


@dg.op
def first():
    """Does nothing."""


@dg.op(ins={"after": dg.In(dg.Nothing)})
def second():
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("the message") from error


@dg.job(executor_def=dg.in_process_executor)
def failing():
    second(first())


def imported(tree):
    """Name → private module, of all imports of a syntax tree; a module that is imported itself is its own name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster._"):
            yield from ((alias.name, node.module) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "dagster":
            yield from ((alias.name, f"dagster.{alias.name}") for alias in node.names if alias.name.startswith("_"))
        elif isinstance(node, ast.Import):
            yield from ((alias.name, alias.name) for alias in node.names if alias.name.startswith("dagster._"))
        elif isinstance(node, ast.Constant) and str(node.value).startswith("dagster._"):  # for importlib
            yield str(node.value), str(node.value)


def test_no_other_file_imports_private_modules_of_dagster():
    paths = [path for folder in ("core", "orchestration", "explorer", "benchmarks", "examples", "docs", ".ci")
             for path in (ROOT / folder).rglob("*.py")]  # fmt: skip
    private = {path.relative_to(ROOT).as_posix() for path in paths if list(imported(ast.parse(path.read_text())))}
    assert private == {"orchestration/dagster_internals.py"}


def test_every_name_has_a_test_and_none_is_public():
    names = {name for name, _ in imported(ast.parse(FILE.read_text()))}
    here = {node.attr for node in ast.walk(ast.parse(inspect.getsource(sys.modules[__name__])))
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "internals"}  # fmt: skip
    assert names and names <= here
    assert [name for name in names if hasattr(dg, name)] == []


def test_importing_them_does_not_load_the_database():
    program = "import sys, orchestration.dagster_internals; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr
    with pytest.raises(AttributeError, match="no attribute 'DagsterMySqlStorage'"):
        internals.DagsterMySqlStorage  # noqa: B018


def test_engines_and_migrations_are_kept_and_what_is_stored_is_the_same(tmp_path):
    internals.keep_engines()
    internals.read_migrations()
    for module in (internals.sqlite_event_log, internals.sqlite_run_storage, internals.sqlite_schedule_storage):
        first, second, other = (
            module.create_engine(f"sqlite:///{tmp_path}/{name}.db", poolclass=NullPool, connect_args={"timeout": 20})
            for name in ("a", "a", "b")
        )
        assert first is second is not other
    config = internals.sql.get_alembic_config(internals.sqlite_event_log.__file__)
    assert internals.sql.ScriptDirectory.from_config(config) is internals.sql.ScriptDirectory.from_config(config)
    with local_instance(tmp_path) as instance:
        done = failing.execute_in_process(instance=instance, raise_on_error=False)
    program = (  # Dagster alone, as it comes
        "import sys, dagster as dg; instance = dg.DagsterInstance.local_temp(sys.argv[1]); "
        "print([e.dagster_event.event_type_value for e in instance.all_logs(sys.argv[2]) if e.is_dagster_event])"
    )
    read = subprocess.run(
        [sys.executable, "-c", program, tmp_path, done.run_id], capture_output=True, text=True, cwd=tmp_path
    )
    assert ast.literal_eval(read.stdout) == [event.event_type_value for event in done.all_events], read.stderr


def test_a_config_type_of_our_own_is_checked_before_there_is_a_run(tmp_path):
    class Even(internals.ConfigScalar):
        def __init__(self):
            super().__init__(key="even", given_name="even", scalar_kind=internals.ConfigScalarKind.INT)

        def post_process(self, value):
            if value % 2:
                raise internals.PostProcessingError(f"{value} is not even")
            return value + 100

    values = []

    @dg.op(config_schema={"n": Even(), "x": internals.ConfigScalar("real", "real", internals.ConfigScalarKind.FLOAT)})
    def reads(context):
        values.append(context.op_config)

    @dg.job
    def job():
        reads()

    def config(n, x):
        return {"ops": {"reads": {"config": {"n": n, "x": x}}}}

    with local_instance(tmp_path) as instance:
        for wrong, message in (((3, 0.5), "3 is not even"), (("2", 0.5), "even"), ((2, "a"), "real")):
            with pytest.raises(dg.DagsterInvalidConfigError, match=message):
                job.execute_in_process(config(*wrong), instance=instance)
        assert instance.get_runs() == []
        assert job.execute_in_process(config(2, 0.5), instance=instance).success
    assert values == [{"n": 102, "x": 0.5}]


def test_a_run_that_we_created_is_executed_event_by_event(tmp_path):
    with local_instance(tmp_path) as instance:
        run = instance.create_run_for_job(failing, status=dg.DagsterRunStatus.STARTING, tags={"own": "tag"})
        events = internals.execute_run_iterator(dg.reconstructable(failing), run, instance)
        seen = []
        for event in events:
            if event.event_type == dg.DagsterEventType.STEP_START and event.step_key == "second":
                stored = instance.get_run_by_id(run.run_id)
                assert stored.status == dg.DagsterRunStatus.STARTED and stored.tags["own"] == "tag"
            seen.append(event)
        assert seen[-1].event_type == dg.DagsterEventType.RUN_FAILURE
        [failed] = [event for event in seen if event.is_step_failure]
    error = failed.step_failure_data.error
    assert isinstance(error, internals.SerializableErrorInfo)
    assert error.cls_name == "DagsterExecutionStepExecutionError"
    assert error.cause.cls_name == "ValueError" and error.cause.message.strip() == "ValueError: the message"
    assert error.cause.cause.cls_name == "KeyError" and error.cause.cause.cause is None
    assert "the message" in error.to_string() and "Traceback" not in error.message


def test_run_monitoring_believes_the_launcher(tmp_path):
    class Launcher(dg.DefaultRunLauncher):
        answer = internals.CheckRunHealthResult(internals.WorkerStatus.RUNNING)
        launched = None

        def launch_run(self, context):
            self.launched = context.dagster_run
            assert self._instance is instance  # how a launcher comes by its instance

        @property
        def supports_check_run_worker_health(self):
            return True

        def check_run_worker_health(self, run):
            return self.answer

    [context] = list(inspect.signature(dg.DefaultRunLauncher.launch_run).parameters.values())[1:]
    assert context.name == "context"
    with local_instance(tmp_path) as instance:
        launcher = Launcher()
        launcher.register_instance(instance)
        instance._run_launcher = launcher
        run = instance.create_run_for_job(failing, status=dg.DagsterRunStatus.STARTED)
        launcher.launch_run(internals.LaunchRunContext(run, None))
        assert launcher.launched is run

        def status():
            monitor_started_run(
                instance, None, instance.get_run_record_by_id(run.run_id), logging.getLogger("monitoring")
            )
            return instance.get_run_by_id(run.run_id).status

        assert status() == dg.DagsterRunStatus.STARTED
        launcher.answer = internals.CheckRunHealthResult(internals.WorkerStatus.FAILED, "it is gone")
        assert status() == dg.DagsterRunStatus.FAILURE


def test_the_instance_makes_the_storage_that_its_file_names(tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir(), elsewhere.mkdir()
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        ref = instance.get_ref()
        for part, ours, theirs in (
            (ref.storage, instance_storage.HomeSqliteStorage, internals.DagsterSqliteStorage),
            (ref.local_artifact_storage, instance_storage.HomeArtifactStorage, internals.LocalArtifactStorage),
            (instance.compute_log_manager, instance_storage.HomeComputeLogManager, internals.LocalComputeLogManager),
        ):
            assert type(part) is ours and issubclass(ours, theirs)
            assert isinstance(part.inst_data, internals.ConfigurableClassData)
            assert part.inst_data.class_name == ours.__name__
        instance.create_run_for_job(failing)
        assert instance.storage_directory().startswith(str(home))
        assert instance.compute_log_manager.get_captured_local_path("run", "out").startswith(str(home))
    assert list(elsewhere.iterdir()) == [] and list((home / ".dagster").rglob("runs.db"))


def test_a_workspace_is_read_from_the_file_that_we_name(tmp_path):
    (tmp_path / "named.yaml").write_text("load_from: []\n")
    target = internals.WorkspaceFileTarget(paths=[str(tmp_path / "named.yaml")])
    with (
        local_instance(tmp_path) as instance,
        internals.WorkspaceProcessContext(instance, version="1", workspace_load_target=target) as context,
    ):
        assert context.instance is instance and context.version == "1"
        assert context.create_request_context().code_location_names == []


def test_the_webservers_own_lines_go_to_its_log(monkeypatch):
    configured = []
    monkeypatch.setattr(logging.config, "dictConfig", configured.append)
    internals.configure_loggers(log_level="INFO")
    [content] = configured
    assert content["loggers"]["dagster"]["level"] == "INFO" and content["loggers"]["dagster"]["handlers"]


@pytest.mark.parametrize("again", [True, False])
def test_a_step_can_look_up_an_inputs_version_again(tmp_path, again):
    """Without it, Dagster keeps the version that the input had when the step started."""
    key = dg.AssetKey("source")

    class Storage(dg.IOManager):
        def handle_output(self, context, obj):
            event = dg.AssetObservation(key, tags={"dagster/data_version": "new"})
            context.step_context.instance.report_runless_asset_event(event)
            if again:
                internals.look_up_input_version(context.step_context, key)

        def load_input(self, context):
            raise NotImplementedError

    @dg.asset(deps=[key])
    def made():
        return 1

    with local_instance(tmp_path) as instance:
        instance.report_runless_asset_event(dg.AssetObservation(key, tags={"dagster/data_version": "old"}))
        result = dg.materialize(
            [dg.AssetSpec(key), made], instance=instance, resources={"io_manager": Storage()}, selection=[made]
        )
    [event] = result.get_asset_materialization_events()
    assert isinstance(event.event_specific_data, StepMaterializationData)
    tags = event.event_specific_data.materialization.tags
    assert tags["dagster/input_data_version/source"] == ("new" if again else "old")


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("add_run_tags", ["run_id", "new_tags"]),
        ("all_logs", ["run_id", "of_type"]),
        ("create_run_for_job", ["job_def", "run_id", "status", "tags", "run_config", "asset_selection",
                                "job_code_origin"]),
        ("get_latest_data_version_record", ["key", "is_source", "partition_key"]),
        ("get_runs", ["filters"]),
        ("optimize_for_webserver", ["statement_timeout", "pool_recycle", "max_overflow"]),
        ("report_dagster_event", ["dagster_event", "run_id"]),
        ("report_engine_event", ["message", "dagster_run"]),
        ("report_run_canceled", ["dagster_run"]),
        ("report_run_canceling", ["run"]),
        ("report_run_failed", ["dagster_run", "message"]),
    ],
)  # fmt: skip
def test_methods_of_the_instance_that_are_not_documented(method, names):
    assert set(names) <= set(inspect.signature(getattr(dg.DagsterInstance, method)).parameters)


def test_a_pool_is_made_and_a_runs_slots_are_freed(tmp_path):
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    with shipped_instance(tmp_path) as instance:
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default(GPU_POOL)
        assert [pool.name for pool in storage.get_pool_limits()] == [GPU_POOL]
        storage.claim_concurrency_slot(GPU_POOL, "a run", "a step")
        assert storage.get_concurrency_run_ids() == {"a run"}
        storage.free_concurrency_slots_for_run("a run")
        assert storage.get_concurrency_run_ids() == set() and instance.all_instigator_state() == []


def test_the_assets_of_a_run_are_those_of_the_job_that_the_executor_gets():
    @dg.asset
    def first():
        return 1

    @dg.asset(key=["parts", "second"])
    def second(first):
        return first + 1

    @dg.job
    def without_assets():
        pass

    job = dg.Definitions([first, second]).resolve_implicit_global_asset_job_def()
    assert internals.selected_assets(job) == {"first", "parts/second"}
    assert internals.selected_assets(job.get_subset(asset_selection={second.key})) == {"parts/second"}
    assert internals.selected_assets(without_assets) == set()
