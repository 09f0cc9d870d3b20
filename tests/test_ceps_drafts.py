"""The draft, its schemas, its vectors and the code say the same."""

import dataclasses
import hashlib
import importlib.util
import json
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed
from condattest.formats import compression, patch_files, patch_instructions, patch_statement, sidecar, statement
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.operations import patch_inputs, patch_judgement, patch_verify
from condattest.operations.patch_chain import Chain
from condattest.patches import engines
from condattest.patches.digests import SERVER_KEYS, UNCOUNTED, counted, record_digest
from condattest.policy.patch_signers import Authority
from condattest.policy.rules import Checkpoint, GitHubSigner, PatchRule
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from condattest.transport.file_memory import FileMemory
from condattest.transport.origin import StoreOrigin

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOT = Path(__file__).parent.parent
DRAFTS = ROOT / "ceps-drafts"
VECTORS = DRAFTS / "vectors"
DRAFT = (DRAFTS / "cep-patch-provenance.md").read_text("utf-8")
KINDS = {
    "statement": "attestations-repodata-patch-0",
    "head": "repodata-patch-head-0",
    "map": "repodata-patch-map-0",
    "shard": "repodata-patch-shard-0",
}


@cache
def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_bytes())


def each(name):
    label = ("engine", "kind", "about")
    return pytest.mark.parametrize(
        "case", vectors(name), ids=lambda case: ", ".join(case[key] for key in label if key in case)
    )


@cache
def schema(kind):
    document = json.loads((DRAFTS / "schemas" / f"{KINDS[kind]}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def fits(kind, text):
    document = json.loads(text)
    return schema(kind).is_valid(document["predicate"] if kind == "statement" else document)


def framed(text, frame):
    packed = compression.zstd_small(text.encode())
    return {
        "whole": packed,
        "plain": text.encode(),
        "truncated": packed[:-1],
        "trailing": packed + b"\0",
        "twice": packed * 2,
    }[frame]


def parsed(kind, text, frame="whole"):
    if kind == "statement":
        return patch_statement.parse(statement.parse(statement.PAYLOAD_TYPE, text.encode()))
    if kind == "head":
        return patch_files.parse_head(text.encode(), where="head.json")
    if kind == "log":
        return patch_files.parse_log(text.encode(), where="log")
    read = {"map": patch_files.parse_map, "shard": patch_files.parse_shard}[kind]
    return read(framed(text, frame), where=kind)


def code_of(call):
    try:
        call()
    except Malformed as error:
        return str(error.finding.code)
    return None


class TestSchemas:
    def test_each_kind_of_json_has_one_named_by_its_id(self):
        found = {path.name for path in (DRAFTS / "schemas").iterdir()}
        assert found == {f"{name}.schema.json" for name in KINDS.values()}
        for kind, name in KINDS.items():
            assert schema(kind).schema["$id"] == f"https://schemas.conda.org/{name}.schema.json"
        assert schema("statement").schema["$id"] == patch_statement.PREDICATE_TYPE

    @each("files")
    def test_it_takes_and_refuses_what_the_vector_says(self, case):
        if case["kind"] != "log":
            assert fits(case["kind"], case["text"]) is case["schema"]

    def test_it_takes_every_file_that_the_code_wrote(self):
        suffixes = {"head.json": "head", ".map.json.zst": "map", ".delta.json.zst": "map", ".shard.json.zst": "shard"}
        checked = set()
        for generation in vectors("generations"):
            assert fits("statement", generation["payload"])
            for name, text in generation["files"].items():
                for suffix, kind in suffixes.items():
                    if name.endswith(suffix):
                        assert fits(kind, text)
                        checked.add(suffix)
        assert checked == set(suffixes)


class TestFiles:
    @each("files")
    def test_the_code_gives_the_vectors_code(self, case):
        assert code_of(lambda: parsed(case["kind"], case["text"], case["frame"])) == case["code"]

    def test_whatever_the_schema_refuses_the_code_refuses(self):
        for case in vectors("files"):
            assert case["schema"] or case["code"] is not None

    def test_what_is_taken_is_written_as_it_was_read(self):
        for case in vectors("files"):
            if case["kind"] == "statement" and case["code"] is None:
                said = parsed("statement", case["text"])
                assert statement.dump(patch_statement.statement(said)).decode() == case["text"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**54) | st.sampled_from(["", "a", "1" * 64, "A" * 64, "x-1-0.conda"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["from", "to", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def _places(value, path=()):
    """Every place within a document but `version`."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if key != "version":
            yield from _places(inner, (*path, key))


@given(st.data())
@pytest.mark.parametrize("kind", ["head", "map", "shard", "statement"])
def test_what_a_schema_refuses_no_reader_takes(kind, data):
    """A value is put in the place of another; the schema may see less than the code, never more."""
    good = [case["text"] for case in vectors("files") if case["kind"] == kind and case["code"] is None]
    document = json.loads(data.draw(st.sampled_from(good)))
    root = document["predicate"] if kind == "statement" else document
    *way, last = data.draw(st.sampled_from(list(_places(root))))
    inner = root
    for key in way:
        inner = inner[key]
    inner[last] = data.draw(_JSON)
    text = json.dumps(document)
    if not fits(kind, text):
        assert code_of(lambda: parsed(kind, text)) is not None


class TestRecords:
    @each("records")
    def test_a_record_has_the_vectors_canonical_form_and_digest(self, case):
        record = json.loads(case["record"])
        if "code" in case:
            assert code_of(lambda: record_digest(record, where="record")) == case["code"] == "PATCH-RECORD"
            return
        canonical = case["canonical"].encode()
        assert rfc8785.dumps(counted(record)) == canonical
        assert record_digest(record, where="record") == case["sha256"] == hashlib.sha256(canonical).hexdigest()

    @each("replays")
    def test_an_engine_serves_what_the_vector_says(self, case):
        instructions = patch_instructions.parse(json.dumps(case["instructions"]).encode(), where="instructions")
        patched = engines.engine(case["engine"]).apply(case["asBuilt"], instructions)
        assert (patched.document if patched.served else None) == case["served"]
        assert sorted({str(finding.code) for finding in patched.findings}) == case["codes"]

    def test_the_engines_differ_somewhere(self):
        served = {}
        for case in vectors("replays"):
            served.setdefault(case["about"], []).append(case["served"])
        assert {len(both) for both in served.values()} == {2}
        assert sum(one != other for one, other in served.values()) >= 5


class TestGenerations:
    @pytest.mark.parametrize("generation", vectors("generations"), ids=lambda each: str(each["generation"]))
    def test_a_generation_is_named_by_its_digests(self, generation):
        payload = generation["payload"].encode()
        folder = VECTORS / "channel" / "noarch" / "patches"
        signed = sidecar.parse((folder / f"{generation['generation']}.sigs").read_bytes(), where="sigs")
        assert {bundle.payload for bundle in signed.bundles} == {payload}
        assert hashlib.sha256(payload).hexdigest() == generation["payloadSha256"]
        for name, text in generation["files"].items():
            if name != "head.json":
                data = (folder / name).read_bytes()
                assert name.partition(".")[0] == hashlib.sha256(data).hexdigest()
                assert _text(folder / name) == text

    def test_the_log_holds_the_payloads_before(self):
        generations = vectors("generations")
        payloads = [generation["payloadSha256"] for generation in generations]
        for number, generation in enumerate(generations):
            said = parsed("statement", generation["payload"])
            assert parsed("log", generation["files"].get(f"{said.log}.log", "")) == tuple(payloads[:number])
            assert said.previous == (payloads[number - 1] if number else None)

    def test_making_them_anew_gives_the_same(self, tmp_path, script):
        script.make(tmp_path)
        assert _told(tmp_path) == _told(VECTORS)
        committed, made = ({path.relative_to(root) for path in root.rglob("*")} for root in (VECTORS, tmp_path))
        if zstd.zstd_version_info != script.ZSTD:
            return  # Other packed bytes have other digests; what they say was compared above.
        assert committed == made
        for path in committed:
            if (VECTORS / path).is_file() and path.suffix != ".sigs" and path.name != "trusted_root.json":
                assert (VECTORS / path).read_bytes() == (tmp_path / path).read_bytes(), path


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "fixtures"))
    try:
        spec = importlib.util.spec_from_file_location("make_patch_vectors", ROOT / "fixtures" / "make_patch_vectors.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def _text(path):
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = compression.unzstd(data, limit=2**20, code=Code.PATCH_FILE, where=path.name)
    return data.decode()


def _told(root):
    """What the generations of vectors say, whatever their packed bytes and so their digests are."""
    folder = root / "channel" / "noarch" / "patches"
    told = []
    for number in range(1, 1 + json.loads((folder / "head.json").read_bytes())["generation"]):
        signed = sidecar.parse((folder / f"{number}.sigs").read_bytes(), where="sigs")
        said = patch_statement.parse(statement.parse(statement.PAYLOAD_TYPE, signed.bundles[0].payload))
        maps = [
            json.loads(_text(folder / f"{digest}.{kind}.json.zst"))["shards"]
            for kind, digest in (("map", said.map), ("delta", said.delta))
        ]
        shards = [
            {name: _text(folder / f"{digest}.shard.json.zst") for name, digest in shards.items()} for shards in maps
        ]
        lines = len(_text(folder / f"{said.log}.log").splitlines())
        same = Sha256("0" * 64)
        told.append(
            (
                dataclasses.replace(said, previous=None, map=same, delta=same, log=same),
                shards,
                lines,
                len(signed.bundles),
            )
        )
    return told, [(root / f"{name}.json").read_text("utf-8") for name in ("records", "replays")]


@pytest.fixture(scope="module")
def trust():
    return TrustRoot.from_file(VECTORS / "trusted_root.json")


def reader(root, trust, rule, channel="https://conda.example/patched"):
    authority = Authority(rule, trust.sha256)
    return Chain(StoreOrigin(Directory(root)), Channel(channel), "noarch", rule.role, authority, [trust])


def rule(signers=("example/patches", "example/second-signer"), **more):
    allowed = tuple(GitHubSigner(name=each, repository=each) for each in signers)
    channel = Channel("https://conda.example/patched")
    return PatchRule(**{"name": "rule", "channel": channel, "signers": allowed, "max_age": timedelta(30)} | more)


class TestReading:
    @each("tampered")
    def test_a_reader_of_everything_finds_what_the_vector_says(self, case, tmp_path, trust):
        root = tmp_path / "channel"
        shutil.copytree(VECTORS / "channel", root)
        for name, change in case["files"].items():
            path = root / "noarch" / "patches" / name
            assert path.exists()
            if change is None:
                path.unlink()
            elif "text" in change:
                path.write_text(change["text"], "utf-8")
            else:
                path.write_bytes((VECTORS / change["copy"]).read_bytes())
        how = dict(case["reader"])
        channel = {"channel": how.pop("channel")} if "channel" in how else {}
        chain = reader(root, trust, rule(**how), **channel)
        inputs = patch_inputs.read(chain.origin, "noarch")
        try:
            codes = [
                str(finding.code)
                for finding in patch_verify.verify(chain, inputs, now=datetime.max.replace(tzinfo=UTC)).findings
            ]
        except Malformed as error:
            codes = [str(error.finding.code)]
        assert sorted(set(codes)) == case["codes"]

    @each("judgements")
    def test_a_record_is_judged_as_the_vector_says(self, case, tmp_path, trust):
        how = case["rule"]
        hours = {"max_age": "maxAge", "min_age": "minAge", "index_lag": "indexLag"}
        given = {name: timedelta(hours=how[key]) for name, key in hours.items()}
        if "checkpoint" in how:
            given["checkpoint"] = Checkpoint(how["checkpoint"][0], Sha256(how["checkpoint"][1]))
        policy = rule(keys=frozenset(how["keys"]), **given)
        artifact = Artifact(PackageFile.parse(case["file"]), Sha256(case["sha256"]), "noarch")
        outcome = patch_judgement.judge(
            patch_judgement.Asked(artifact=artifact, record=case["record"], index=None),
            reader(VECTORS / "channel", trust, policy),
            policy,
            frozenset(map(Sha256, how.get("revoked", []))),
            FileMemory(tmp_path),
            now=datetime.fromisoformat(case["now"]),
        )
        assert [str(finding.code) for finding in outcome.findings] == case["codes"]
        assert [str(finding.code) for finding in outcome.notes] == case["notes"]


class TestTheDraft:
    def test_every_example_is_one_of_the_vectors(self):
        """Examples are shown as people read them; the values are exactly those of the vectors."""
        known = {"statement": [], "head": [], "map": [], "shard": [], "record": [], "instructions": []}
        for generation in vectors("generations"):
            known["statement"].append(json.loads(generation["payload"]))
            known["instructions"].append(generation["instructions"])
            for name, text in generation["files"].items():
                kind = "head" if name == "head.json" else name.split(".")[1].replace("delta", "map")
                if kind in known:
                    known[kind].append(json.loads(text))
        examples = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", DRAFT, re.DOTALL | re.MULTILINE)]
        kinds = set()
        for example in examples:
            [kind] = {kind for kind, all_of in known.items() if example in all_of}
            kinds.add(kind)
            if kind in KINDS:
                assert code_of(lambda example=example, kind=kind: parsed(kind, json.dumps(example))) is None
        assert kinds >= {"statement", "head", "map", "shard"}

    def test_the_example_of_a_digest_is_right(self):
        canonical, digest = re.search(r"^```text\n(\{.*\})\n([0-9a-f]{64})\n```$", DRAFT, re.MULTILINE).groups()
        assert hashlib.sha256(canonical.encode()).hexdigest() == digest
        assert rfc8785.dumps(counted(json.loads(canonical))).decode() == canonical

    def test_every_file_that_it_names_is_one_that_the_code_writes_and_no_other(self):
        names = re.findall(r"^\| `([^`]*)` \| .* \| .* \|$", _section("Files"), re.MULTILINE)
        forms = [
            re.compile(re.escape(name).replace("<n>", "[1-9][0-9]*").replace("<sha256>", "[0-9a-f]{64}"))
            for name in names
        ]
        written = [path.name for path in (VECTORS / "channel" / "noarch" / "patches").iterdir()]
        assert len(names) == 6
        for name in written:
            assert sum(form.fullmatch(name) is not None for form in forms) == 1, name
        for form in forms:
            assert any(form.fullmatch(name) for name in written), form.pattern

    def test_it_has_the_keys_and_limits_of_the_code(self):
        digests = _section("The digest of a record")
        [server] = re.findall(r"^- The keys that the server sets: (.*)\.$", digests, re.MULTILINE)
        [dropped] = re.findall(r"^- The keys that indexers have dropped: (.*)\.$", digests, re.MULTILINE)
        assert set(re.findall("`([^`]*)`", server)) == SERVER_KEYS
        assert set(re.findall("`([^`]*)`", dropped)) == UNCOUNTED | {"app_*"}
        limits = dict(re.findall(r"^\| (.*?) \| (\d+) bytes \|$", DRAFT, re.MULTILINE))
        assert {name: int(number) for name, number in limits.items()} == {
            "payload": patch_statement.MAX_PAYLOAD,
            "`head.json`": patch_files.MAX_HEAD,
            "`<n>.sigs`": sidecar.MAX_SIDECAR,
            "log": patch_files.MAX_LOG,
            "map, delta": patch_files.MAX_MAP,
            "shard": patch_files.MAX_SHARD,
        }

    def test_it_names_the_predicate_type_and_every_schema_and_vector(self):
        assert f"`{patch_statement.PREDICATE_TYPE}`" in DRAFT
        linked = set(re.findall(r"\]\(\./([^)#]*)\)", DRAFT))
        assert all((DRAFTS / name).exists() for name in linked if not name.startswith("cep-"))
        assert {f"schemas/{path.name}" for path in (DRAFTS / "schemas").iterdir()} <= linked
        assert {f"vectors/{path.name}" for path in VECTORS.glob("*.json")} <= linked

    def test_every_key_of_the_predicate_is_described(self):
        rows = re.findall(r"^\| `(\w+)` \| ", _section("The predicate"), re.MULTILINE)
        assert rows == list(schema("statement").schema["properties"])

    def test_it_has_the_sections_of_a_cep(self):
        titles = re.findall(r"^## (.*)$", DRAFT, re.MULTILINE)
        assert titles == [
            "Abstract",
            "Motivation",
            "Specification",
            "Examples",
            "Rationale",
            "Backwards compatibility",
            "Security considerations",
            "Sample implementation",
            "References",
            "Copyright",
        ]


def _section(title):
    return re.search(rf"^### {title}\n(.*?)(?=^##)", DRAFT, re.DOTALL | re.MULTILINE).group(1)
