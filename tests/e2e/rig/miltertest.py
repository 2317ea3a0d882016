"""miltertest(1) scripts: Lua that speaks the MTA's side of the milter protocol, step by step."""

import subprocess


def miltertest(script, socket, **names):
    """Runs a Lua script; `socket` (as "unix:…") and `names` are globals in it. Raises with its output if it fails.

    A script fails by error(): miltertest then exits with non-zero.
    """
    globals_ = [part for name, value in {"socket": socket, **names}.items() for part in ("-D", f"{name}={value}")]
    done = subprocess.run(["miltertest", *globals_, "-s", str(script)], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"{script}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
