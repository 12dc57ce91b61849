"""One file with all that a Cortex is: the database, as it was at one moment, and what of the data dir is nowhere else.

The file is a ZIP, its last two members the manifest (versions, counts, checksums) and the manifest's seal under an encryption key. By it
`restore` knows before it begins that the file is whole, ours, and readable with the keys at hand. The keys themselves are not in it: who finds
the file shall not be able to use the credentials in it.

Tables go by COPY, both ways, over the connection that Django has: nothing to install, no version of pg_dump to match with the server's, and no
password among a process's arguments.
"""

from cortex.backup.archive import BackupError
from cortex.backup.restoring import Restored, restore
from cortex.backup.taking import Taken, take

__all__ = ["BackupError", "Restored", "Taken", "restore", "take"]
