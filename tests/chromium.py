"""chromium.py portal|hotline PORT CA FOLDER MAIL: drives Chromium through the pages of a running world, by WebDriver.

PORT is the door's on 127.0.0.1, CA the certificate of its authority (PEM), FOLDER where screenshots and the sources of the
pages are kept, MAIL the maildir. Each line says what was seen; the exit code is 1 at the first thing that is not as it must be.
A profile of its own, in a folder of its own below FOLDER, is removed at the end.
"""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

WHERE, PORT, CA, FOLDER, MAIL = sys.argv[1:6]
HOSTS = ("portal.tbe.example", "hotline.tbe.example")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TAB, ENTER, SPACE = "\ue004", "\ue007", " "
VEHICLE = "SPAAK00000001"
LIMIT_S = 30  # of one request to the driver


class Wrong(Exception):
    pass


def must(good, what):
    if not good:
        raise Wrong(what)
    print("ok", what, flush=True)


class Driver:
    """chromedriver, and the one session that it has at a time."""

    def __init__(self, home):
        environment = dict(os.environ, HOME=home)
        self.process = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=environment, text=True)
        self.home, self.session, self.port = home, "", None
        for line in self.process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                self.port = found.group(1)
                break
        must(self.port is not None, "chromedriver is up")

    def ask(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/session{self.session}{path}", data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=LIMIT_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Wrong(f"{method} {path}: {error.read().decode()[:300]}") from error

    def begin(self, scripts):
        """A fresh profile."""
        rules = ", ".join(f"MAP {host}:443 127.0.0.1:{PORT}" for host in HOSTS) + ", MAP * ~NOTFOUND"
        profile = os.path.join(self.home, "profile")
        shutil.rmtree(profile, ignore_errors=True)
        arguments = ["--headless=new", "--disable-gpu", "--no-first-run", "--window-size=800,900",
                     f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium has no other way for root
        preferences = {"profile.managed_default_content_settings.javascript": 1 if scripts else 2}
        wants = {"goog:chromeOptions": {"args": arguments, "prefs": preferences},
                 "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}
        self.session = "/" + self.ask("POST", "", {"capabilities": {"alwaysMatch": wants}})["sessionId"]
        self.ask("POST", "/url", {"url": "data:text/html,<title>off</title><script>document.title='on'</script>"})
        must(self.ask("GET", "/title") == ("on" if scripts else "off"), f"scripts are {'on' if scripts else 'off'}")
        self.logged()

    def end(self):
        if self.session:
            self.ask("DELETE", "")
        self.session = ""

    def close(self):
        try:
            self.end()
        finally:
            self.process.terminate()
            self.process.wait(timeout=LIMIT_S)
            self.process.stdout.close()

    def logged(self):
        """Requests since the last call, and what the console had to complain of."""
        requests = []
        for entry in self.ask("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                requests.append((message["params"]["request"]["method"], message["params"]["request"]["url"],
                                 message["params"]["type"]))
        return requests, [e for e in self.ask("POST", "/se/log", {"type": "browser"}) if e["level"] in ("WARNING", "SEVERE")]

    def find(self, selector):
        return self.ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def attribute(self, element, name):
        return self.ask("GET", f"/element/{element}/attribute/{name}")

    def is_there(self, element):
        try:
            self.ask("GET", f"/element/{element}/name")
        except Wrong as wrong:
            if any(sign in str(wrong) for sign in ("stale element", "no such element", "does not belong to the document")):
                return False
            raise
        return True

    def text(self, selector):
        return self.ask("GET", f"/element/{self.find(selector)}/text")

    def keys(self, text):
        actions = [a for c in text for a in ({"type": "keyDown", "value": c}, {"type": "keyUp", "value": c})]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def focus(self):
        """Where the keyboard is: the name of a field, the text of a link or button."""
        element = self.ask("GET", "/element/active")[ELEMENT]
        return self.attribute(element, "name") or self.ask("GET", f"/element/{element}/text") or "nothing"

    def focus_is_seen(self):
        element = self.ask("GET", "/element/active")[ELEMENT]
        width = self.ask("GET", f"/element/{element}/css/outline-width")
        return self.ask("GET", f"/element/{element}/css/outline-style") == "solid" and width == "3px"


class Visit:
    """A person at one of the hosts."""

    def __init__(self, driver, name):
        self.driver, self.name, self.count = driver, name, 0

    def see(self, heading, wanted):
        """Which page is there, by what requests it came; keeps its picture and its source."""
        d = self.driver
        must(d.text("h1") == heading and d.ask("GET", "/title") == heading, f"{self.name}: {heading}")
        requests, complaints = d.logged()
        paths = [f"{method} {re.sub('^https://[^/]*', '', url)}" for method, url, _ in requests]
        must(paths == wanted, f"{self.name}: by {' '.join(paths)}, and nothing else")
        must(all(kind == "Document" for _, _, kind in requests), f"{self.name}: no file beside the page")
        refused = [c for c in complaints if "status of 4" not in c["message"]]
        must(not refused, f"{self.name}: the console has no complaint {refused or ''}")
        self.count += 1
        path = os.path.join(FOLDER, f"{self.name}-{self.count:02}")
        with open(path + ".png", "wb") as picture:
            picture.write(base64.b64decode(d.ask("GET", "/screenshot")))
        with open(path + ".html", "w", encoding="utf-8") as source:
            source.write(d.ask("GET", "/source"))

    def go(self, host, heading):
        self.driver.ask("POST", "/url", {"url": f"https://{host}/"})
        self.see(heading, ["GET /"])

    def leave(self, how):
        """Does something that leads to another page, and waits until this one is gone."""
        heading = self.driver.find("h1")
        how()
        until = time.monotonic() + LIMIT_S
        while self.driver.is_there(heading):
            if time.monotonic() > until:
                raise Wrong(f"{self.name}: no other page comes")
            time.sleep(0.02)

    def said(self):
        return self.driver.attribute(self.driver.find("[role]"), "data-outcome") or self.driver.attribute(
            self.driver.find("[role]"), "data-reason")


class ByMouse(Visit):
    def fill(self, fields):
        for name, text in fields:
            self.driver.ask("POST", f"/element/{self.driver.find(f'[name={name}]')}/value", {"text": text})

    def tick(self, name):
        self.driver.ask("POST", f"/element/{self.driver.find(f'[name={name}]')}/click")

    def press(self, text):
        elements = self.driver.ask("POST", "/elements", {"using": "css selector", "value": "a, button"})
        for element in elements:
            if self.driver.ask("GET", f"/element/{element[ELEMENT]}/text") == text:
                self.leave(lambda one=element[ELEMENT]: self.driver.ask("POST", f"/element/{one}/click"))
                return
        raise Wrong(f"{self.name}: there is no {text!r} to press")


class ByKeyboard(Visit):
    """Tab and Enter; what is in focus is looked at after each Tab."""

    def tab_to(self, what):
        passed = []
        for _ in range(12):
            self.driver.keys(TAB)
            passed.append(self.driver.focus())
            must(self.driver.focus_is_seen(), f"{self.name}: the focus is seen on {passed[-1]!r}")
            if passed[-1] == what:
                must(True, f"{self.name}: Tab comes to {what!r} ({', '.join(passed)})")
                return
        raise Wrong(f"{self.name}: Tab does not come to {what!r}, but to {passed}")

    def fill(self, fields):
        for name, text in fields:
            self.tab_to(name)
            self.driver.keys(text)

    def tick(self, name):
        self.tab_to(name)
        self.driver.keys(SPACE)

    def press(self, text):
        self.tab_to(text)
        self.leave(lambda: self.driver.keys(ENTER))


def sign_in(visit, host, heading, home, user, secret):
    visit.go(host, heading)
    visit.fill([("user", user), ("secret", secret)])
    visit.press("Sign in")
    return ["POST /sign-in", f"GET {home}"]


def at_the_portal(visit, wanted):
    """Asks for the mail, as anna; `wanted` is what the page says of it."""
    came_by = sign_in(visit, HOSTS[0], "Sign in to your vehicles", "/vehicles", "anna", "lake-and-lantern")
    visit.see("Your vehicles", came_by)
    visit.press(VEHICLE)
    visit.see(f"Vehicle {VEHICLE}", [f"GET /vehicles/{VEHICLE}"])
    visit.press("Send me the link by mail")
    visit.see(f"Vehicle {VEHICLE}", [f"POST /vehicles/{VEHICLE}/mail", f"GET /vehicles/{VEHICLE}"])
    must(visit.said() == wanted, f"{visit.name}: the page says {wanted}")
    visit.press("Sign out")
    visit.see("Sign in to your vehicles", ["POST /sign-out", "GET /"])


def at_the_hotline(visit, wanted):
    """The operator sends it for anna; first without the box, which is refused."""
    call = "Send a link for a customer"
    fields = [("customer", "anna"), ("vehicle", VEHICLE), ("code", "48210973")]
    came_by = sign_in(visit, HOSTS[1], "Hotline: sign in", "/call", "hugo", "candle-and-compass")
    visit.see(call, came_by)
    visit.fill(fields)
    visit.press("Send the link")
    visit.see(call, ["POST /call"])
    must(visit.said() == "CONSENT_MISSING", f"{visit.name}: without the box nothing is sent")
    visit.fill(fields)
    visit.tick("consent")
    visit.press("Send the link")
    visit.see(f"Vehicle {VEHICLE}", ["POST /call", f"GET /call/{VEHICLE}"])
    must(visit.said() == wanted, f"{visit.name}: the page says {wanted}")
    source = visit.driver.ask("GET", "/source")
    must("anna@" not in source, f"{visit.name}: the operator does not see the address")
    must(wanted != "sent" or "a***@customer.example" in source, f"{visit.name}: but so much of it as to ask for")
    visit.press("Sign out")
    visit.see("Hotline: sign in", ["POST /sign-out", "GET /"])


def mails():
    return len(os.listdir(os.path.join(MAIL, "new")))


def trust(home):
    """The run's authority in the profile's own store, as a person would add it; a wrong name is still refused."""
    store = "sql:" + os.path.join(home, ".pki", "nssdb")
    os.makedirs(store[4:])
    subprocess.run(["certutil", "-d", store, "-N", "--empty-password"], check=True)
    subprocess.run(["certutil", "-d", store, "-A", "-t", "C,,", "-n", "the run's authority", "-i", CA], check=True)


def visits(driver, at, last):
    """By mouse; by keyboard only; without scripts. The first is sent a mail, the others hear that it was delivered."""
    for kind, scripts, wanted in ((ByMouse, True, "sent"), (ByKeyboard, True, "failed"), (last, False, "failed")):
        driver.begin(scripts)
        way = "mouse" if kind is ByMouse else "keyboard"
        at(kind(driver, f"{WHERE}-{way}{'' if scripts else '-without-scripts'}"), wanted)
        must(mails() == 1, "one mail has gone out, and no second")
        driver.end()


def drive(driver):
    if WHERE == "portal":
        visits(driver, at_the_portal, ByMouse)
    else:
        visits(driver, at_the_hotline, ByKeyboard)


def main():
    home = os.path.join(FOLDER, "home")
    os.makedirs(home, mode=0o700)
    driver = None
    try:
        trust(home)
        driver = Driver(home)
        drive(driver)
    except Wrong as wrong:
        print("WRONG", wrong, flush=True)
        return 1
    finally:
        if driver:
            driver.close()
        for _ in range(50):  # its processes may still write
            shutil.rmtree(home, ignore_errors=True)
            if not os.path.exists(home):
                break
            time.sleep(0.1)
    print("done", flush=True)
    return 0


sys.exit(main())
