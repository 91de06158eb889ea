"""The shipped configurations load, name stages that exist, and wrong combinations are refused in one line."""

from __future__ import annotations

import json

import pytest

from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.train import CoarseTraining
from coarse_to_fine.config import load_config
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.fine_grained.train import FineTraining
from coarse_to_fine.main_pipeline.run_config import RunFile, WorldData
from coarse_to_fine.main_pipeline.steps import steps_of
from coarse_to_fine.main_pipeline.steps.base import Work
from coarse_to_fine.main_pipeline.steps.training import launched, stage_settings
from coarse_to_fine.shipped_configs import find_config, shipped_configs
from coarse_to_fine.training.optimisers import parameter_groups
from tests.cli.conftest import ctf

__all__ = ["ctf"]

CLASSES = {"coarse": CoarseTraining, "fine": FineTraining}
WORLD = {"data": {"kind": "world"}, "name": "x", "coarse": {"model": "mean-pool"}, "fine": {"model": "similarity"}}
PUBLISHED = {
    "name": "x",
    "data": {
        "kind": "published",
        "train": {"annotations": "train.json"},
        "features": {"streams": [{"name": "clip", "form": "npz", "path": "clip"}]},
    },
    "fine": {"model": "similarity"},
}


@pytest.mark.parametrize("name", ["charades_sta", "qvhighlights", "tacos", "tacos_cg", "world"])
def test_a_shipped_configuration_and_its_stages_load(name):
    assert name in shipped_configs("run")
    config = load_config(RunFile, find_config(name, "run"))
    for stage, given in config.stages.items():
        settings = stage_settings(CLASSES[stage], given)
        assert settings.run.select
        published = getattr(config.data, "features", None)
        if published is not None:
            assert list(settings.recipe.architecture.video_feature_dims) == [one.width for one in published.streams]
            assert list(settings.recipe.architecture.feature_names) == [one.name for one in published.streams]
            assert settings.recipe.architecture.text_feature_dim == published.texts.width


def test_the_files_keep_what_the_sets_are_measured_with():
    def loaded(name):
        return load_config(RunFile, find_config(name, "run"))

    assert loaded("qvhighlights").data.features.max_rows == 75
    assert loaded("tacos_cg").evaluation.top_videos == 5
    assert loaded("tacos").evaluation.lengths == "tacos"
    for name in ("tacos", "tacos_cg"):
        assert loaded(name).evaluation.thresholds == (0.1, 0.3, 0.5, 0.7)


@pytest.mark.parametrize(("name", "rate"), [("msrvtt", 3e-5), ("lsmdc", 1e-5), ("didemo", 1e-5)])
def test_the_temperature_of_t_mass_learns_at_the_rate_of_the_towers(name, rate):
    settings = load_config(CoarseTraining, find_config(f"t-mass-{name}", "coarse"))
    model = settings.recipe.architecture
    groups = parameter_groups(TMass(model).named_parameters(), settings.run)
    rates = {parameter: group["peak_rate"] for group in groups for parameter in group["names"]}
    assert rates.pop("logit_scale") == 1e-6
    assert set(rates.values()) == {rate}


def test_every_file_of_the_folder_is_tested():
    assert sorted(shipped_configs("run")) == ["charades_sta", "qvhighlights", "tacos", "tacos_cg", "world"]


def test_a_stage_takes_overrides_and_a_seed():
    run = {"config": "configs/fine/qd-detr-tacos-clip.yaml", "seed": 7, "set": {"run": {"epochs": 3}}}
    config = RunFile.model_validate(WORLD | {"fine": run})
    settings = stage_settings(FineTraining, config.fine)
    assert (settings.run.seed, settings.run.epochs, settings.run.learning_rate) == (7, 3, 2e-4)
    with pytest.raises(ConfigError, match=r"did you mean 'epochs'"):
        stage_settings(FineTraining, config.fine.model_copy(update={"set": {"run": {"epoch": 3}}}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (WORLD | {"fine": {"model": "similarity", "config": "x.yaml"}}, "one of them"),
        (WORLD | {"fine": {"model": "similarity", "seed": 3}}, "with model there is none"),
        (WORLD | {"captions": {}}, "brings its own captions"),
        (WORLD | {"coarse": None}, "coarse is missing"),
        (PUBLISHED | {"coarse": {"model": "mean-pool"}}, "no stage one to train"),
        (PUBLISHED | {"evaluation": {"queries": ["coarse"]}}, "fine queries only"),
        (PUBLISHED | {"evaluation": {"queries": ["joined"]}}, "fine queries only"),
        (WORLD | {"evaluation": {"query": ["fine"]}}, "did you mean 'queries'"),
        (WORLD | {"data": {"kind": "drawn"}}, "data"),
    ],
)
def test_a_combination_that_cannot_be_is_refused(values, message, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=message) as error:
        load_config(RunFile, path)
    assert "\n" not in str(error.value)


def test_steps_are_those_that_the_configuration_needs(tmp_path):
    def names(values):
        return [step.name for step in steps_of(RunFile.model_validate(values), tmp_path)]

    assert names(WORLD) == ["data", "library", "fusion", "evaluate", "report"]
    assert names(PUBLISHED) == ["data", "features", "evaluate", "report"]
    trained = {"config": "configs/fine/qd-detr-world.yaml"}
    assert names(WORLD | {"fine": trained}) == ["data", "features", "fine", "library", "fusion", "evaluate", "report"]
    assert RunFile.model_validate(PUBLISHED).tested == "val"


def test_the_plan_of_the_world_stays_within_45_minutes(ctf, tmp_path):
    result = ctf("run", "--config", "world", "--out", tmp_path / "run", "--dry-run", "--json")
    assert result.code == 0, result.err
    plan = json.loads(result.out)
    assert [line["state"] for line in plan["steps"]] == ["new"] * 8
    assert 60 < plan["seconds"] < 45 * 60
    assert 1e7 < plan["bytes"] < 1e9 < plan["free_bytes"]
    assert not (tmp_path / "run").exists()
    out = tmp_path / "run"
    twice = ctf("run", "--config", "world", "--out", out, "--dry-run", "--json", "--set", "data.train=1000")
    longer = {line["step"]: line["seconds"] for line in json.loads(twice.out)["steps"]}
    before = {line["step"]: line["seconds"] for line in plan["steps"]}
    assert longer["coarse"] > 1.5 * before["coarse"]
    assert longer["library"] == before["library"]


def test_mistakes_are_one_line_and_code_2(ctf, tmp_path):
    for arguments, words in (
        (["--config", "worlds"], "no configuration worlds; expected a YAML file, or one of charades_sta, qvhighlights"),
        (["--config", "world", "--launcher", "mpirun"], "expected torchrun"),
        (["--config", "world", "--launcher", "ray a b"], "the address of a cluster"),
        (["--config", "world", "--launcher", "ray auto 0"], 'such as "ray auto 4"'),
        (["--config", "world", "--set", "data.trian=3"], "did you mean 'train'"),
        (["--config", "world", "--step", "index"], "expected one of data, features"),
        (["--config", "tacos", "--set", f"data.root={tmp_path}"], "set data.root"),
        (["--config", "world", "--step", "fusion"], "needs data, whose state is new"),
    ):
        result = ctf("run", *arguments, "--out", tmp_path / "run")
        assert (result.code, result.err.count("\n")) == (2, 1), result.err
        assert words in result.err


def test_a_launcher_is_for_its_steps_only():
    def work(*launcher):
        return Work(lambda done, total, what: None, lambda line: None, launcher)

    assert (work().torchrun, work().ray) == ((), None)
    assert (work("ray").torchrun, work("ray").ray) == ((), "auto")
    assert work("ray", "host:6379").ray == "host:6379"
    assert (work("ray").processes, work("ray", "auto", "4").processes) == (None, 4)
    assert work("torchrun", "--nnodes", "2").torchrun == ("torchrun", "--nnodes", "2")
    assert work("torchrun").ray is None


def test_torchrun_is_that_of_this_python():
    command = launched(("torchrun", "--standalone", "--nproc-per-node", "2"))
    assert command[1:] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    assert launched(("torchrun",))[3:] == ["--standalone", "--nproc-per-node", "auto"]
    assert RunFile.model_validate(WORLD).data == WorldData(kind="world")
