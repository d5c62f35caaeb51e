package app.muzzle.export

import android.content.ContentResolver
import android.net.Uri
import android.os.ParcelFileDescriptor
import app.muzzle.R
import app.muzzle.core.Core
import app.muzzle.core.CoreException
import app.muzzle.core.ExportRequest
import app.muzzle.core.ExportSize
import app.muzzle.core.NativeCore
import java.io.File
import java.io.FileNotFoundException

/** What the core may write; [code] is its name for it. A core that cannot says `unsupported`. */
enum class ExportFormat(
    val code: String,
    val type: String,
    val title: Int,
    val text: Int,
    /** Its form can be shown as text. */
    val readable: Boolean,
) {
    CSV("csv", "text/csv", R.string.format_csv, R.string.format_csv_text, true),
    JSONL("jsonl", "application/x-ndjson", R.string.format_jsonl, R.string.format_jsonl_text, true),
    SQLITE("sqlite", "application/vnd.sqlite3", R.string.format_sqlite, R.string.format_sqlite_text, false),
    PCAPNG("pcapng", "application/x-pcapng", R.string.format_pcapng, R.string.format_pcapng_text, false),
    ;

    companion object {
        fun ofName(name: String) = entries.firstOrNull { name.endsWith(".${it.code}") }
    }
}

/** What an export would be like. */
class Offer(
    /** Formats that this core writes. */
    val formats: Set<ExportFormat>,
    /** Null where the core cannot do what was asked for. */
    val size: ExportSize?,
    val preview: String?,
)

/** Asks the core what it can do. Reads the disk. */
fun Core.offer(
    format: ExportFormat,
    request: ExportRequest,
): Offer {
    val formats = ExportFormat.entries.filter { supported { exportSize(request.copy(format = it.code, redact = false)) } != null }
    val size = supported { exportSize(request) }
    val shown = format.readable && size != null && size.events > 0
    return Offer(formats.toSet(), size, if (shown) preview(request).trim() else null)
}

private fun <T> supported(ask: () -> T): T? =
    try {
        ask()
    } catch (e: CoreException) {
        if (e.code != "unsupported") throw e
        null
    }

/** Writes into a document that the owner made for it; one that is not complete is deleted. */
fun Core.exportTo(
    resolver: ContentResolver,
    document: Uri,
    request: ExportRequest,
    progress: NativeCore.Progress,
): ExportSize =
    resolver.whole(document) {
        val descriptor = resolver.openFileDescriptor(document, "rwt") ?: throw FileNotFoundException("the document is gone")
        export(descriptor.detachFd(), request, progress)
    }

/** Writes a file of our own; one that is not complete is deleted. */
fun Core.exportTo(
    file: File,
    request: ExportRequest,
    progress: NativeCore.Progress,
): ExportSize =
    whole({ file.delete() || !file.exists() }) {
        val mode = ParcelFileDescriptor.MODE_CREATE or ParcelFileDescriptor.MODE_TRUNCATE or ParcelFileDescriptor.MODE_READ_WRITE
        export(ParcelFileDescriptor.open(file, mode).detachFd(), request, progress)
    }
