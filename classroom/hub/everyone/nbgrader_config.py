"""nbgrader on a hub, for teacher and learners alike: which course, and the folder through which sheets pass."""

import os
from pathlib import Path

SHEETS = Path.home() / "exercises"  # beside ~/chapters, so that a sheet's link to its chapter leads there
SHEETS.mkdir(exist_ok=True)

c = get_config()  # noqa: F821 (nbgrader provides it)

c.CourseDirectory.course_id = "vae_course"
c.Exchange.root = os.environ.get("VAE_EXCHANGE", "/srv/nbgrader/exchange")
c.Exchange.assignment_dir = str(SHEETS)
