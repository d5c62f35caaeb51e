package app.muzzle.core

import android.content.Context
import java.io.File
import java.io.IOException

/** Who runs which address, as a file that the core maps: it lies compressed in the package. */
object ServerTable {
    private const val NAME = "servers.bin"

    /** Copied out once for each update of the app. Null where that fails: events then say less. Reads the disk. */
    fun file(context: Context): File? =
        try {
            val updated = context.packageManager.getPackageInfo(context.packageName, 0).lastUpdateTime
            val file = File(context.noBackupFilesDir, "$updated-$NAME")
            file.takeIf { it.exists() || copy(context, it) }
        } catch (_: IOException) {
            null
        }

    private fun copy(
        context: Context,
        file: File,
    ): Boolean {
        context.noBackupFilesDir.listFiles { old -> NAME in old.name }?.forEach { it.delete() }
        val draft = File(file.path + ".draft")
        context.assets.open(NAME).use { from -> draft.outputStream().use { from.copyTo(it) } }
        return draft.renameTo(file)
    }
}
