package app.muzzle.export

import android.content.ContentProvider
import android.content.ContentValues
import android.net.Uri
import android.os.Bundle
import android.os.ParcelFileDescriptor
import android.os.ParcelableException
import android.provider.DocumentsContract
import org.robolectric.Robolectric
import java.io.File
import java.io.FileNotFoundException

/** A place for documents, as the system's picker offers them: one file, [target]. */
class Documents : ContentProvider() {
    lateinit var target: File
    var deletes = true
    val document: Uri = Uri.parse("content://$AUTHORITY/document/export")

    override fun onCreate() = true

    override fun openFile(
        uri: Uri,
        mode: String,
    ): ParcelFileDescriptor {
        if (!target.exists()) throw FileNotFoundException("no such document")
        // A device or a pipe cannot be cut short.
        val modes = if (target.isFile) ParcelFileDescriptor.parseMode(mode) else ParcelFileDescriptor.MODE_READ_WRITE
        return ParcelFileDescriptor.open(target, modes)
    }

    override fun call(
        authority: String,
        method: String,
        arg: String?,
        extras: Bundle?,
    ): Bundle? {
        check(method == "android:deleteDocument" && extras?.getParcelable(DocumentsContract.EXTRA_URI, Uri::class.java) == document)
        if (!deletes) throw UnsupportedOperationException("Delete not supported")
        if (!target.exists()) throw ParcelableException(FileNotFoundException("no such document"))
        target.delete()
        return null
    }

    override fun getType(uri: Uri): String? = null

    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        selectionArgs: Array<String>?,
        sortOrder: String?,
    ) = null

    override fun insert(
        uri: Uri,
        values: ContentValues?,
    ) = null

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

    companion object {
        private const val AUTHORITY = "com.example.documents"

        /** The document that the picker has made, empty. */
        fun with(target: File): Documents =
            Robolectric
                .buildContentProvider(Documents::class.java)
                .create(AUTHORITY)
                .get()
                .also { it.target = target }
    }
}
