"""Words that a short answer is led in by ("It is …", "The sign reads …")."""

from __future__ import annotations

import re

LEAD_IN = re.compile(
    r"(?i)^(?:(?:so|thus|hence|therefore|then|well|yes|ok(?:ay)?|in conclusion|overall|因此|所以)[,:\s]{1,3})?"
    r"(?:(?:it|this|that|they|these|he|she|there|here)(?:'s|'re| is| are| was| were| looks like| seems to be| appears to be|"
    r" shows?)|"
    r"(?:the|this) (?:picture|image|photo|text|sign|word|label|object|animal|person|vehicle|answer|colou?r)"
    r"(?: (?:reads|says|shows|is|contains|depicts))|i (?:can )?see|reads?|says?|probably|most likely|likely|mostly|mainly|"
    r"这是|是)"
    r"[:\s]{0,3}(?:mostly |mainly |probably |most likely |likely |clearly |definitely |either )?"
)
