"""The story of the demo: a hospital, a lab and an analyst share a room; an outsider looks for a way in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files as resources
from pathlib import Path

import httpx

import cloister
from cloister.analytics import (
    AnalyticsDcr,
    AnalyticsDcrBuilder,
    PythonComputeNode,
    PythonComputeNodeDefinition,
    RawDataNode,
    RawDataNodeDefinition,
)
from cloister.demo.parties import Party
from cloister.demo.screen import Screen
from cloister.formats.receipt import sigstore_bundle

PARTIES = ("hospital", "lab", "analyst", "outsider")
DATA = {"hospital": "hospital.csv", "lab": "lab.csv"}
"""Data node, which bears its owner's name, to the file that its owner has."""
SCRIPT = "analysis.py"
STUDY = "stay-by-crp"
_RESULTS = {"stay.csv": "the result: the table", "stay.png": "the result: the picture"}
_COPY = """
import shutil
shutil.copy("/input/hospital", "/output/everything.csv")
"""


def shipped(name: str) -> bytes:
    """A file that lies beside this module."""
    return resources("cloister.demo").joinpath(name).read_bytes()


def email(name: str) -> str:
    """A party's address."""
    return f"{name}@demo.example"


def introduce(screen: Screen, folder: Path) -> None:
    """The first screen."""
    screen.title("Cloister demo: one clean room, from start to end")
    screen.tell(
        "A hospital knows how its patients were treated and how long they stayed. A lab knows a blood value (CRP) of "
        "many of the same people. An analyst wants to know whether the two go together. The hospital and the lab will "
        "not show their files to anybody: not to each other, not to the analyst, not to whoever runs the servers."
    )
    screen.tell(
        "So they meet in a clean room: a list of data, of scripts, and of who may do what, that nobody can change "
        "once it is published. Only what its scripts write comes out, and only to whom the room names."
    )
    screen.warn(
        "This runs in software mode: Cloister uses no trusted hardware here, and nothing protects the data from "
        "whoever operates this machine. All else is real: encryption, permissions, log, "
        "container. Use invented data, as the demo does."
    )
    screen.tell(f"All of it lies in {folder}")


@dataclass
class Story:
    """The demo over a running Cloister."""

    screen: Screen
    url: str
    parties: Mapping[str, Party]
    folder: Path
    """Holds the machines of the parties."""
    hub_folder: Path
    """Where the hub keeps all that it has."""
    rooms: dict[str, AnalyticsDcr] = field(default_factory=dict)
    """The room as each participant has opened it."""
    clients: dict[str, cloister.Client] = field(default_factory=dict)
    files: list[tuple[str, Path]] = field(default_factory=list)
    """What the reader may want to look at, with a word about each."""

    def tell(self) -> None:
        """From start to end.

        Raises:
            CloisterError: something went wrong that shouldn't have.
        """
        with ExitStack() as held:
            for party in self.parties.values():
                self.clients[party.name] = held.enter_context(party.client(self.url))
            self._publish()
            self._attach()
            self._compute()
            self._try_what_is_forbidden()
            self._look_at_the_hub()
            self._check_the_receipt()
            self._read_the_log()
            self._sum_up()

    # --- the chapters ---

    def _publish(self) -> None:
        screen, analyst = self.screen, self.parties["analyst"]
        screen.chapter("The analyst publishes a room")
        builder = AnalyticsDcrBuilder(client=self.clients["analyst"])
        builder.with_name("Length of stay by CRP").with_owner(analyst.email)
        for node in DATA:
            builder.add_node_definition(RawDataNodeDefinition(name=node, is_required=True))
        builder.add_node_definition(
            PythonComputeNodeDefinition(name=STUDY, script=shipped(SCRIPT), dependencies=list(DATA))
        )
        for node in DATA:
            builder.add_participant(email(node), data_owner_of=[node])
        builder.add_participant(analyst.email, analyst_of=[STUDY])
        room = self.rooms["analyst"] = self.clients["analyst"].publish_analytics_dcr(builder.build())
        screen.tell(f"The room's id is the SHA-256 of all that it says: {room.id[:16]}...")
        screen.table(
            [
                ("who", "role in the room", "may do (besides reading script and log)"),
                ("hospital", "data owner of 'hospital'", "attach that file, and take it away again"),
                ("lab", "data owner of 'lab'", "attach that file, and take it away again"),
                ("analyst", f"analyst of '{STUDY}'", "run it, and fetch its result"),
                ("outsider", "none", "nothing, not even learn that it exists"),
            ]
        )
        self._note("the script that everybody agreed to", analyst.write(SCRIPT, shipped(SCRIPT)))

    def _attach(self) -> None:
        screen = self.screen
        screen.chapter("Hospital and lab look, encrypt and attach")
        screen.tell("Software is not trusted by default. A client that wasn't told to accept software mode says:")
        with self.parties["hospital"].client(self.url, trust_software=False) as careful:
            self._refused("hospital", "opens the room", lambda: careful.retrieve_analytics_dcr(self._room_id))
        screen.tell(
            "Told that this is a trial, each owner's SDK opens the room and checks that it is what its id says."
        )
        for name, file in DATA.items():
            party = self.parties[name]
            path = party.write(file, shipped(file))
            room = self.rooms[name] = self.clients[name].retrieve_analytics_dcr(self._room_id)
            script = next(node for node in room.node_definitions if node.name == STUDY)
            assert isinstance(script, PythonComputeNodeDefinition)
            lines = len(script.script.splitlines())
            screen.fact(name, f"reads the script ({lines} lines) and who takes part ({len(room.participants())})")
            with path.open("rb") as data:
                _data_node(room, name).upload_and_publish_dataset(data, cloister.Key(), file)
            rows = path.read_bytes().count(b"\n") - 1
            screen.fact("", f"encrypts {file} ({rows} rows) with a key of its own and attaches it")

    def _compute(self) -> None:
        screen, analyst = self.screen, self.parties["analyst"]
        screen.chapter("The analyst runs the computation")
        screen.tell(
            "A worker starts a container without network, mounts the two files read-only in memory, runs the script, "
            "and encrypts what it wrote. Then all of it is gone."
        )
        node = _study(self.rooms["analyst"])
        with screen.waiting("Computing with pandas and matplotlib"):
            archive = node.run_computation_and_get_results_as_zip()
        assert archive is not None
        with archive:
            for name in archive.namelist():
                self._note(_RESULTS.get(name, "part of the result"), analyst.write(name, archive.read(name)))
            table = archive.read("stay.csv").decode()
        screen.tell("The analyst gets a picture, stay.png, and this table, stay.csv:")
        screen.verbatim(table.splitlines())
        screen.tell(
            "Groups of fewer than 10 patients are missing: the script leaves them out. That is the script's doing, and "
            "only that. What a script lets out is for the owners to judge before they attach anything."
        )

    def _try_what_is_forbidden(self) -> None:
        screen, clients, rooms = self.screen, self.clients, self.rooms
        screen.chapter("What isn't theirs")
        screen.tell(
            "Everybody now tries more than the room gives them. What follows 'refused' is the error that they get."
        )
        self._refused("outsider", "opens the room", lambda: clients["outsider"].retrieve_analytics_dcr(self._room_id))
        self._refused("hospital", "runs the computation, to get its result", _study(rooms["hospital"]).run_computation)
        self._refused(
            "lab",
            "takes the hospital's data out of the room",
            _data_node(rooms["lab"], "hospital").remove_published_dataset,
        )
        screen.tell(
            "The analyst wants the raw data. The protocol has no request for it; so the analyst tries around it."
        )
        self._refused("analyst", "publishes a room whose script copies the hospital's file", self._copy_room)
        manifest = _logged(rooms["analyst"].retrieve_audit_log(), "attach dataset")[0]
        self._refused(
            "analyst", "asks the hub for the encrypted file by the digest in the log", lambda: self._blob(manifest)
        )

    def _look_at_the_hub(self) -> None:
        screen = self.screen
        screen.chapter("What the hub has")
        screen.tell("All files of the hub's (database, uploads, results), searched for what only the parties know:")
        files = {path: path.read_bytes() for path in sorted(self.hub_folder.rglob("*")) if path.is_file()}
        uploads = [content for path, content in files.items() if path.is_relative_to(self.hub_folder / "blobs")]
        stored = b"\n".join(files.values())
        patient = shipped("hospital.csv").decode().splitlines()[1].split(",")[1]
        needles = {
            f"the name of a patient ({patient})": patient,
            "a line of the hospital's file": shipped("hospital.csv").decode().splitlines()[1],
            "a line of the lab's file": shipped("lab.csv").decode().splitlines()[1],
            "a line of the script": shipped(SCRIPT).decode().splitlines()[-1],
            "a line of the result": (self.parties["analyst"].folder / "stay.csv").read_text().splitlines()[1],
            "an email address (who is invited is no secret to the hub)": email("lab"),
        }
        counts = {what: stored.count(needle.encode()) for what, needle in needles.items()}
        screen.table([("times found", "what"), *((str(count), what) for what, count in counts.items())])
        screen.tell(
            f"It has {len(uploads)} uploads ({sum(map(len, uploads)) / 1000:.0f} kB of ciphertext: two files and a "
            "result) and its database. The keys are with the enclave. In software mode they lie "
            "elsewhere on the same disk, which is why nothing here protects from this machine's operator."
        )

    def _check_the_receipt(self) -> None:
        screen, analyst = self.screen, self.parties["analyst"]
        screen.chapter("The receipt")
        receipt = _study(self.rooms["analyst"]).receipt
        assert receipt is not None
        self._note("the receipt, as a DSSE envelope", analyst.write("receipt.dsse.json", receipt))
        bundle = json.dumps(sigstore_bundle(receipt), indent=2).encode()
        self._note("the same receipt, as a Sigstore bundle", analyst.write("receipt.sigstore.json", bundle))
        screen.tell(
            "The enclave has signed what the result was made from. The analyst's SDK checked that before it handed the "
            "result out. The receipt holds nothing secret, so the analyst shows it to the lab, which may not see the "
            "result, and the lab checks it on its own:"
        )
        body = self.rooms["lab"].verify_receipt(receipt)
        ours = next(each.manifest for each in body.inputs if each.node == "lab")
        assert ours in _logged(self.rooms["lab"].retrieve_audit_log(), "attach dataset")
        screen.fact("lab", f"signed by the enclave that proved itself: evidence '{body.enclave.evidence}'")
        screen.fact("", "made in this room, by the script that the room shows")
        screen.fact("", f"from the very file that we attached ({str(ours)[:16]}...) and the hospital's")
        screen.fact("", f"in the image '{body.image}' ({body.image_measurement[:16]}...)")
        screen.fact("", f"and the room's log says so too, as event number {body.log_index}")

    def _read_the_log(self) -> None:
        screen = self.screen
        screen.chapter("The audit log")
        screen.tell("Every participant can read it, and nobody can change it: each client remembers what it has seen.")
        text = self.rooms["hospital"].retrieve_audit_log()
        self._note("the audit log, with digests", self.parties["hospital"].write("audit-log.txt", text.encode()))
        rows = [("time (UTC)", "who", "what")]
        for line in text.splitlines():
            milliseconds, who, notes, _action, _detail = line.split(",")
            moment = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
            rows.append((f"{moment:%H:%M:%S}", who.partition("@")[0], notes.partition(" on the word of ")[0]))
        screen.table(rows)

    def _sum_up(self) -> None:
        screen = self.screen
        screen.chapter("What each party saw")
        screen.fact("hospital", "its own file; the script; the log. Not the lab's file, not the result.")
        screen.fact("lab", "its own file; the script; the log; the receipt. Nothing else.")
        screen.fact("analyst", "the table, the picture and the receipt; the script; the log. No row about a person.")
        screen.fact("outsider", "nothing. Whether there is such a room was not said either.")
        screen.fact("hub", "ciphertext, who is invited to which room, and when they called.")

    def show_files(self) -> None:
        """Where to look further."""
        rows = [("file", "what it is"), *((str(path.relative_to(self.folder)), what) for what, path in self.files)]
        self.screen.tell(f"To look at, in {self.folder}:")
        self.screen.table(rows)

    # --- what they are made of ---

    @property
    def _room_id(self) -> str:
        return self.rooms["analyst"].id

    def _note(self, what: str, path: Path) -> None:
        self.files.append((what, path))

    def _refused(self, who: str, tries: str, action: Callable[[], object]) -> None:
        """Tries something, and shows the error that it must end with."""
        try:
            action()
        except cloister.CloisterError as error:
            self.screen.refusal(who, tries, f"{type(error).__name__}: {error}")
        else:
            raise cloister.CloisterError(f"The {who} could do what it may not: {tries}. Please report this.")

    def _copy_room(self) -> None:
        """The analyst's own room over a data node of the same name."""
        client, analyst = self.clients["analyst"], self.parties["analyst"]
        builder = AnalyticsDcrBuilder(client=client).with_name("Copy").with_owner(analyst.email)
        builder.add_node_definition(RawDataNodeDefinition(name="hospital", is_required=True))
        builder.add_node_definition(PythonComputeNodeDefinition(name=STUDY, script=_COPY, dependencies=["hospital"]))
        builder.add_participant(email("hospital"), data_owner_of=["hospital"])
        builder.add_participant(analyst.email, analyst_of=[STUDY])
        _study(client.publish_analytics_dcr(builder.build())).run_computation()

    def _blob(self, blob: str) -> None:
        """Past the SDK, straight to the hub."""
        answer = httpx.get(
            f"{self.url}/v1/blobs/{blob}/parts/0",
            headers={"Authorization": f"Bearer {self.parties['analyst'].token}"},
        )
        if answer.status_code == 404:
            raise cloister.NotFoundError(answer.json()["error"]["message"])


def _data_node(room: AnalyticsDcr, name: str) -> RawDataNode:
    node = room.get_node(name)
    assert isinstance(node, RawDataNode)
    return node


def _study(room: AnalyticsDcr) -> PythonComputeNode:
    node = room.get_node(STUDY)
    assert isinstance(node, PythonComputeNode)
    return node


def _logged(audit_log: str, action: str) -> list[str]:
    """The details of all events of one kind."""
    fields = (line.split(",") for line in audit_log.splitlines())
    return [detail for _, _, _, logged, detail in fields if logged == action]
