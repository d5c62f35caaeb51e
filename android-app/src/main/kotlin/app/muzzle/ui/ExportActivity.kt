package app.muzzle.ui

import android.content.ClipData
import android.content.Intent
import android.graphics.Typeface
import android.os.Bundle
import android.text.format.Formatter
import android.view.View
import android.widget.Button
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.CoreException
import app.muzzle.core.ExportRequest
import app.muzzle.core.ExportSize
import app.muzzle.core.Filter
import app.muzzle.core.NativeCore
import app.muzzle.core.Work
import app.muzzle.export.ExportFormat
import app.muzzle.export.ExportProvider
import app.muzzle.export.LeftBehind
import app.muzzle.export.Offer
import app.muzzle.export.exportTo
import app.muzzle.export.offer
import app.muzzle.graph
import java.io.File
import java.text.NumberFormat
import java.time.LocalDate
import java.util.concurrent.atomic.AtomicBoolean

/** Writes the log, or a part of it, to a file or to another app. */
class ExportActivity : ScreenActivity() {
    private enum class Range(
        val word: Int,
        val days: Long?,
    ) {
        DAY(R.string.range_day, 1),
        WEEK(R.string.range_week, 7),
        ALL(R.string.range_all, null),
    }

    private var format = ExportFormat.CSV
    private var range = Range.WEEK
    private var hide = true
    private var asked: Work.Ticket? = null

    /** That of the export under way, if any. */
    private var cancel: AtomicBoolean? = null
    private lateinit var formats: Card
    private lateinit var result: Card

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.menu_export)
        showUp()
        savedInstanceState?.let {
            format = ExportFormat.entries[it.getInt(FORMAT)]
            range = Range.entries[it.getInt(RANGE)]
            hide = it.getBoolean(HIDE)
        }
        build()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(FORMAT, format.ordinal)
        state.putInt(RANGE, range.ordinal)
        state.putBoolean(HIDE, hide)
    }

    override fun onDestroy() {
        cancel?.set(true)
        super.onDestroy()
    }

    private fun build() {
        val column = Column(this)
        column.heading(R.string.export_format)
        formats = column.card {}
        column.heading(R.string.export_range)
        column.card {
            choices(Range.entries.map { Option(it, getString(it.word)) }, range) {
                range = it
                ask()
            }
        }
        column.card {
            switch(R.string.export_hide, R.string.export_hide_text, hide) {
                hide = it
                ask()
            }
        }
        result = column.card {}
        show(column.root)
        ask()
    }

    private fun request(): ExportRequest {
        val since =
            range.days?.let {
                LocalDate
                    .now(graph.clock)
                    .minusDays(it - 1)
                    .atStartOfDay(graph.clock.zone)
                    .toInstant()
                    .toEpochMilli()
            }
        return ExportRequest(format.code, hide, Filter(since = since))
    }

    private fun ask() {
        asked?.cancel()
        result.clear()
        result.status(getString(R.string.loading))
        val request = request()
        val format = format
        asked = load({ graph.core.offer(format, request) }, failed = { showError(it) { build() } }, then = ::showOffer)
    }

    private fun showOffer(offer: Offer) {
        formats.clear()
        val options =
            ExportFormat.entries.map {
                val there = it in offer.formats
                Option(it, getString(it.title), getString(if (there) it.text else R.string.format_missing), there)
            }
        formats.choices(options, format) {
            format = it
            ask()
        }
        result.clear()
        val size = offer.size
        when {
            size == null -> result.status(getString(R.string.export_hide_missing))
            size.events == 0L -> result.status(getString(R.string.export_nothing))
            else -> showReady(size, offer.preview)
        }
    }

    private fun showReady(
        size: ExportSize,
        preview: String?,
    ) {
        preview?.let {
            result.small(getString(R.string.export_preview))
            result.text(it.take(PREVIEW), R.style.Text_Small).typeface = Typeface.MONOSPACE
        }
        result.status(getString(R.string.export_size, number(size.events), size(size)))
        result.button(R.string.export_save, R.style.Button_Main, ::chooseDocument)
        result.button(R.string.export_share, act = ::share)
    }

    private fun name() = "muzzle-${LocalDate.now(graph.clock)}.${format.code}"

    private fun chooseDocument() =
        askForDocument(
            Intent(Intent.ACTION_CREATE_DOCUMENT)
                .addCategory(Intent.CATEGORY_OPENABLE)
                .setType(format.type)
                .putExtra(Intent.EXTRA_TITLE, name()),
            SAVE,
        )

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        val document = data?.data
        if (requestCode != SAVE || resultCode != RESULT_OK || document == null) return
        val request = request()
        run({ graph.core.exportTo(contentResolver, document, request, it) }) {}
    }

    private fun share() {
        val name = name()
        val type = format.type
        val request = request()
        lateinit var file: File
        run({
            file = ExportProvider.place(this, name)
            graph.core.exportTo(file, request, it)
        }) {
            val address = ExportProvider.address(file)
            val send = Intent(Intent.ACTION_SEND).setType(type).putExtra(Intent.EXTRA_STREAM, address)
            send.clipData = ClipData.newRawUri(name, address)
            send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
            startActivity(Intent.createChooser(send, null))
        }
    }

    private fun run(
        write: (NativeCore.Progress) -> ExportSize,
        then: () -> Unit,
    ) {
        val stop = AtomicBoolean()
        cancel = stop
        result.clear()
        val line = result.status(getString(R.string.loading))
        lateinit var button: Button
        button =
            result.button(R.string.cancel) {
                stop.set(true)
                button.isEnabled = false
            }
        load({ write(progress(stop, line)) }, failed = { ended(failure(it), R.string.try_again) }, on = graph.apart) {
            ended(getString(R.string.export_done, number(it.events), size(it)), R.string.ok)
            then()
        }
    }

    private fun progress(
        stop: AtomicBoolean,
        line: TextView,
    ) = NativeCore.Progress { done, total ->
        runOnUiThread { line.text = getString(R.string.export_progress, number(done), number(total)) }
        !stop.get()
    }

    private fun ended(
        words: String,
        next: Int,
    ) {
        cancel = null
        result.clear()
        result.status(words)
        result.button(next, act = ::ask)
    }

    private fun failure(error: Throwable): String {
        if (error is LeftBehind) return getString(R.string.export_left)
        if ((error as? CoreException)?.code == "cancelled") return getString(R.string.export_cancelled)
        val words = errorWords(this, error)
        return getString(R.string.export_failed, words.title, words.advice)
    }

    private fun size(of: ExportSize) = Formatter.formatShortFileSize(this, of.bytes)

    private fun number(count: Long) = NumberFormat.getIntegerInstance().format(count)

    private companion object {
        const val FORMAT = "format"
        const val RANGE = "range"
        const val HIDE = "hide"
        const val SAVE = 1
        const val PREVIEW = 600
    }
}
