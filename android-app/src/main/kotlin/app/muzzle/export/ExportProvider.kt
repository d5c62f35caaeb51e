package app.muzzle.export

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException
import java.util.UUID

/**
 * Hands one exported file to the app that the owner chose. Nobody can open it without the grant that
 * comes with the intent. The files live in the cache until the next export.
 */
class ExportProvider : ContentProvider() {
    override fun onCreate() = true

    override fun getType(uri: Uri): String = ExportFormat.ofName(file(uri)?.name.orEmpty())?.type ?: "application/octet-stream"

    override fun openFile(
        uri: Uri,
        mode: String,
    ): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("exports can only be read")
        val file = file(uri) ?: throw FileNotFoundException("no such export")
        return ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        selectionArgs: Array<String>?,
        sortOrder: String?,
    ): Cursor? {
        val file = file(uri) ?: return null
        val cursor = MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE))
        cursor.addRow(arrayOf<Any>(file.name, file.length()))
        return cursor
    }

    override fun insert(
        uri: Uri,
        values: ContentValues?,
    ): Uri? = null

    override fun update(
        uri: Uri,
        values: ContentValues?,
        selection: String?,
        selectionArgs: Array<String>?,
    ) = 0

    override fun delete(
        uri: Uri,
        selection: String?,
        selectionArgs: Array<String>?,
    ) = 0

    /** The file of an address that [address] made; null for any other. */
    private fun file(uri: Uri): File? {
        val (key, name) = uri.pathSegments.takeIf { it.size == 2 } ?: return null
        return folder(checkNotNull(context))
            .listFiles { it.name == key }
            ?.firstOrNull()
            ?.listFiles { it.name == name }
            ?.firstOrNull()
    }

    companion object {
        private const val AUTHORITY = "app.muzzle.exports"

        /** A place for a file of this name; what was shared before goes. */
        fun place(
            context: Context,
            name: String,
        ): File {
            folder(context).deleteRecursively()
            val place = File(folder(context), UUID.randomUUID().toString())
            place.mkdirs()
            return File(place, name)
        }

        fun address(file: File): Uri =
            Uri
                .Builder()
                .scheme("content")
                .authority(AUTHORITY)
                .appendPath(file.parentFile?.name)
                .appendPath(file.name)
                .build()

        private fun folder(context: Context) = File(context.cacheDir, "exports")
    }
}
