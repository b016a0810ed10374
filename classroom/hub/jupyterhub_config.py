"""JupyterHub for one class on one machine: an account of the system for each learner, sheets by nbgrader's exchange.

README.md, beside this file, says how to set it up. Only the four lines in capitals may need a change.
"""

import os
import sys
from pathlib import Path

COURSE = Path(os.environ.get("VAE_COURSE", "/opt/vae_course"))  # the learner's package; all read it, nobody writes it
TEACHERS = os.environ.get("VAE_TEACHERS", "teacher").split()  # accounts with the course itself in ~/vae_course
EXCHANGE = os.environ.get("VAE_EXCHANGE", "/srv/nbgrader/exchange")
ADDRESS = os.environ.get("VAE_ADDRESS", "http://127.0.0.1:8000")  # for all to reach it: a web server with TLS before it

HERE = Path(__file__).resolve().parent


def settings(spawner):
    """Where a server looks for settings: a teacher's are the course's too, a learner's hide the pages of a teacher."""
    name = spawner.user.name
    own = Path(f"~{name}/vae_course").expanduser() if name in TEACHERS else HERE / "learner"
    return f"{HERE / 'everyone'}:{own}"


c = get_config()  # noqa: F821 (JupyterHub provides it)

c.JupyterHub.bind_url = ADDRESS
c.ConfigurableHTTPProxy.command = os.environ.get("VAE_PROXY", "configurable-http-proxy")

c.Authenticator.allow_all = True  # whoever has an account here, root excepted
c.Authenticator.blocked_users = {"root"}
c.Authenticator.admin_users = set(TEACHERS)

c.Spawner.cmd = [str(Path(sys.executable).parent / "jupyterhub-singleuser")]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120  # thirty servers that start at nine take longer than one
c.Spawner.environment = {
    "JUPYTER_CONFIG_PATH": settings,
    "VAE_EXCHANGE": EXCHANGE,
    # nbgrader starts alembic by name.
    "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
    "VAE_COURSE_DATA": str(COURSE / "data"),
    # Thirty kernels on few cores: more threads than cores only wait for each other.
    "OMP_NUM_THREADS": "2",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "1",
}

# A kernel that has been idle for an hour gives its memory back; work is in the notebook's file.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_connected=True",
]
