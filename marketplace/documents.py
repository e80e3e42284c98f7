"""The first texts of what experts sign: the platform's terms, and each lab's confidentiality agreement."""

from __future__ import annotations

from typing import Final

TERMS: Final = "expert-terms"
NDA: Final = "lab-nda"
TO_SIGN: Final = (TERMS, NDA)
"""The codes of what has to be signed before a seat is taken."""

TERMS_TITLE: Final = "Terms for experts"
TERMS_BODY: Final = """# Terms for experts

Between you and the operator of this platform. They hold for every contract you accept here.

1. **You are free.** You choose when and how much you work, within the caps you were shown. You may leave a contract at
   any time; what you worked is paid.
2. **Your rate is locked.** What you accept is frozen. A lower rate needs your signature, and is never retroactive.
3. **Every minute has an answer.** Time over a cap is not dropped: somebody has to decide about it, by a date you know.
   Silence of the lab past its window approves your hours.
4. **Rejecting your work never changes your hours.** Hours change only by a named person, with a reason, and you are
   told.
5. **Decisions can be contested.** Whatever costs you money or access is decided by a named person who gives reasons and
   evidence. You can appeal; somebody else decides; silence past the deadline decides in your favour.
6. **Your work.** Rights in what you write for a task pass to the lab once it is paid. Your knowledge stays yours.
7. **Honesty.** The credentials you show are yours and true. You do the work yourself and say where machines helped, as
   far as the project allows them.
8. **Taxes.** You are an independent contractor and pay your taxes where you live, unless the law there says otherwise.
"""

NDA_TITLE: Final = "Confidentiality agreement with {alias}"
NDA_BODY: Final = """# Confidentiality agreement with {alias}

Between you and **{alias}** ("the lab"), for all work you do in its projects on this platform.

1. **What is confidential.** Everything the lab shows you that is not public: tasks, prompts, model answers, rubrics,
   instructions, results, and the fact that the lab works on them.
2. **What you promise.** You use it only for the lab's tasks, keep it to yourself, enter it into no other service, and
   delete your copies when your contract ends.
3. **Rivals.** While you work for the lab, and for the cooling-off period after it, the platform gives you no work of
   labs that compete with it.
4. **What stays yours.** Your general knowledge and experience. This agreement does not restrict your profession.
5. **How long.** Three years from the end of your last contract with the lab.
"""
