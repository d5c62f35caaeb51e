package app.muzzle.core

import java.io.File

/** The files of the log: SQLite keeps two beside the database. */
class LogFiles(
    private val db: File,
) {
    private val aside = "${db.name}.damaged-"

    /** The log that was put aside last. */
    fun damaged(): File? = putAside().filter { file -> file.name.removePrefix(aside).all { it.isDigit() } }.maxByOrNull { it.name }

    /** Puts a log that cannot be read where nothing overwrites it; what SQLite kept beside it goes along. */
    fun putAside(now: Long) = PARTS.forEach { File(db.path + it).renameTo(File(db.parentFile, "$aside$now$it")) }

    fun delete() = PARTS.forEach { File(db.path + it).delete() }

    fun deleteDamaged() = putAside().forEach { it.delete() }

    private fun putAside(): List<File> =
        db.parentFile
            ?.listFiles { file -> file.name.startsWith(aside) }
            .orEmpty()
            .toList()

    companion object {
        private val PARTS = listOf("", "-wal", "-shm")

        /** What the core says of a log that it will never read. */
        val UNREADABLE = setOf("store-not-a-database", "store-corrupt", "store-foreign")
    }
}
