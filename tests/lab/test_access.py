"""A password on the real gateway: asked of everybody on the LAN; the ISP's side never gets as far as being asked."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import requests

from ci.labnet.addresses import INTERNET4
from ci.labnet.paths import PROJECT
from ci.labnet.waiting import wait_for

pytestmark = pytest.mark.lab

PASSWORD = {"password": "correct horse battery"}


@pytest.fixture
def owner(lab):
    """Signed in; the password is gone afterwards."""
    with requests.Session() as session:
        answer = session.post(f"http://127.0.0.1:{lab.api.port}/api/auth/password", json=PASSWORD, timeout=20)
        assert answer.json() == {"success": True}, answer.text
        yield session
    command = [sys.executable, "-m", "app", "auth", "reset", "--state-dir", str(lab.gateway.web_state_dir)]
    command += ["--netd-state-dir", str(lab.gateway.state_dir)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=60)
    wait_for("the door to be open again", lambda: lab.api.request("GET", "/api/status")[0] == 200)


def status_code(lab, host: str, url: str) -> str:
    """The HTTP status; "000" where nothing answers."""
    command = ["curl", "-gso", "/dev/null", "-m", "3", "-w", "%{http_code}", url]
    return lab.hosts.exec(host, command).stdout.strip()


def test_the_lan_is_asked_and_the_wan_is_not_answered(lab, owner):
    port, base = 5000, f"http://127.0.0.1:{lab.api.port}"
    wan = owner.get(f"{base}/api/status", timeout=20).json()["wan"]["addresses"]
    addresses = [a.partition("/")[0] for a in wan]
    assert any("." in a for a in addresses)
    assert status_code(lab, "laptop", f"http://192.168.77.1:{port}/health") == "200"
    assert status_code(lab, "laptop", f"http://192.168.77.1:{port}/api/status") == "401"
    assert status_code(lab, "isp", f"http://{INTERNET4}/json") == "200", "the control: it can ask others"
    for address in addresses:
        literal = f"[{address}]" if ":" in address else address
        assert status_code(lab, "isp", f"http://{literal}:{port}/health") == "000", address
        assert status_code(lab, "isp", f"http://{literal}:80/health") == "000", address


def test_a_password_outlives_a_restart(lab, owner):
    lab.gateway.restart_app()
    assert lab.api.request("GET", "/api/status")[0] == 401
    answer = owner.get(f"http://127.0.0.1:{lab.api.port}/api/status", timeout=20)
    assert answer.status_code == 200


def test_a_burst_from_one_device_does_not_slow_another(lab):
    """Each device of the LAN has its own count."""
    ask = "curl -so /dev/null -w '%{http_code}\\n' http://192.168.77.1:5000/api/leases"
    loud = ["sh", "-c", f"for i in $(seq 40); do {ask}; done"]
    burst = lab.hosts.popen("laptop", loud, stdout=subprocess.PIPE, text=True)
    answers = []
    while burst.poll() is None:
        answers.append(status_code(lab, "phone", "http://192.168.77.1:5000/api/status"))
        time.sleep(0.15)  # six a second at the most
    assert "429" in burst.stdout.read().split()
    assert answers
    assert set(answers) == {"200"}
