package app.muzzle.ui

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Context
import android.content.Intent
import android.content.res.Configuration
import android.os.Bundle
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.FrameLayout
import android.widget.ScrollView
import android.widget.TextView
import android.widget.Toast
import android.widget.Toolbar
import app.muzzle.R
import app.muzzle.core.Warning
import app.muzzle.core.Work
import app.muzzle.graph
import app.muzzle.settings.Appearance
import app.muzzle.settings.OwnerSettings
import app.muzzle.settings.withChoicesOf

/** A screen: a toolbar, a content that loads, is empty or failed, and a place to undo. */
abstract class ScreenActivity : Activity() {
    protected val toolbar: Toolbar get() = find(R.id.toolbar)
    private val content: FrameLayout get() = find(R.id.content)
    val grant by lazy { Grant(this, ::vpnAnswered) }
    private val tickets = mutableListOf<Work.Ticket>()
    val faces by lazy { Faces(this, graph.apps) }
    val times by lazy { Times(this, graph.clock) }

    private var scrolled = 0

    /** What the core said about the choice that can be undone now. */
    private var warnings = emptyList<Warning>()
    private val warned: (List<Warning>) -> Unit = { fresh -> runOnUiThread { warn(fresh) } }

    override fun attachBaseContext(base: Context) = super.attachBaseContext(dressed(base))

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.screen)
        scrolled = savedInstanceState?.getInt(SCROLLED) ?: 0
        graph.wake()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(SCROLLED, (content.getChildAt(0) as? ScrollView)?.scrollY ?: scrolled)
    }

    override fun onResume() {
        super.onResume()
        graph.warnings.listen(warned)
    }

    override fun onPause() {
        graph.warnings.forget(warned)
        super.onPause()
    }

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) = grant.activityAnswered(requestCode, resultCode)

    override fun onRequestPermissionsResult(
        requestCode: Int,
        permissions: Array<String>,
        grantResults: IntArray,
    ) = grant.permissionAnswered(requestCode)

    /** The owner was asked for the VPN by [grant]. */
    protected open fun vpnAnswered(granted: Boolean) = Unit

    override fun onDestroy() {
        tickets.forEach { it.cancel() }
        super.onDestroy()
    }

    /** The arrow that leads to the screen before. */
    protected fun showUp() {
        toolbar.setNavigationIcon(R.drawable.ic_back)
        toolbar.setNavigationContentDescription(R.string.back)
        toolbar.setNavigationOnClickListener { finish() }
    }

    /** A view that scrolls as a whole stays where it was, unless it is to begin at its [top]. */
    fun show(
        view: View,
        top: Boolean = false,
    ) {
        (content.getChildAt(0) as? ScrollView)?.let { scrolled = it.scrollY }
        content.removeAllViews()
        content.addView(view)
        if (top) scrolled = 0
        if (view is ScrollView) scrollWhenLaidOut(view)
    }

    private fun scrollWhenLaidOut(view: ScrollView) {
        val place = scrolled
        if (place == 0) return
        view.addOnLayoutChangeListener(
            object : View.OnLayoutChangeListener {
                override fun onLayoutChange(
                    laidOut: View,
                    left: Int,
                    top: Int,
                    right: Int,
                    bottom: Int,
                    oldLeft: Int,
                    oldTop: Int,
                    oldRight: Int,
                    oldBottom: Int,
                ) {
                    laidOut.removeOnLayoutChangeListener(this)
                    laidOut.scrollTo(0, place)
                }
            },
        )
    }

    /** Reads in the background; [then] comes on the main thread, and not after the screen is gone. */
    fun <T> load(
        job: () -> T,
        failed: (Throwable) -> Unit = { showError(it) { recreate() } },
        on: Work = graph.work,
        then: (T) -> Unit,
    ): Work.Ticket =
        on
            .run(job) { it.fold(then, failed) }
            .also {
                tickets.removeAll { ticket -> ticket.cancelled }
                tickets += it
            }

    fun showLoading() =
        showMessage(getString(R.string.loading), "") {
            it.find<View>(R.id.message_busy).visibility = View.VISIBLE
        }

    fun showEmpty(
        title: Int,
        text: Int,
    ) = showMessage(getString(title), getString(text))

    fun showError(
        error: Throwable,
        retry: () -> Unit,
    ) {
        val words = errorWords(this, error)
        showMessage(words.title, words.advice) {
            val button = it.find<Button>(R.id.message_action)
            button.visibility = View.VISIBLE
            button.setText(R.string.try_again)
            button.setOnClickListener { retry() }
        }
    }

    private fun showMessage(
        title: String,
        text: String,
        more: (View) -> Unit = {},
    ) {
        val view = inflate(R.layout.message, content)
        view.find<TextView>(R.id.message_title).text = title
        view.find<TextView>(R.id.message_text).text = text
        more(view)
        show(view)
    }

    /** Says what was done, with a button that takes it back. Stays until the next thing or a leave. */
    fun offerUndo(
        text: String,
        undo: () -> Unit,
    ) {
        val place = find<FrameLayout>(R.id.undo_place)
        place.removeAllViews()
        val bar = inflate(R.layout.undo, place)
        bar.find<TextView>(R.id.undo_text).text = text
        bar.find<Button>(R.id.undo_action).setOnClickListener {
            place.removeAllViews()
            undo()
        }
        showWarnings(bar)
        place.addView(bar)
    }

    private fun warn(fresh: List<Warning>) {
        warnings = fresh
        find<FrameLayout>(R.id.undo_place).getChildAt(0)?.let(::showWarnings)
    }

    private fun showWarnings(bar: View) =
        bar.find<TextView>(R.id.undo_warning).line(warnings.joinToString(" ") { warningWords(this, it, faces::label) })

    /** Opens a page of the system's, or the best after it. Phones lack some and guard others: that is said. */
    fun leadTo(pages: List<Intent>) {
        if (pages.none { opens { startActivity(it) } }) say(R.string.step_no_screen)
    }

    /** Has the owner choose a document. */
    protected fun askForDocument(
        what: Intent,
        request: Int,
    ) {
        if (!opens { startActivityForResult(what, request) }) say(R.string.no_files_app)
    }

    private fun opens(start: () -> Unit): Boolean =
        try {
            start()
            true
        } catch (_: ActivityNotFoundException) {
            false
        } catch (_: SecurityException) {
            false
        }

    private fun say(words: Int) = Toast.makeText(this, words, Toast.LENGTH_LONG).show()

    /** Changes the settings in the background, then says what was done and offers to take it back. */
    fun change(
        said: String,
        done: () -> Unit,
        change: (OwnerSettings) -> OwnerSettings,
    ) {
        fun keep(
            what: (OwnerSettings) -> OwnerSettings,
            then: (OwnerSettings) -> Unit,
        ) = load({ graph.settings.now.also { graph.settings.update(what) } }) {
            done()
            then(it)
        }
        warnings = emptyList()
        keep(change) { before -> offerUndo(said) { keep({ it.withChoicesOf(before) }) {} } }
    }

    fun inflate(
        layout: Int,
        into: ViewGroup,
    ): View = checkNotNull(LayoutInflater.from(this).inflate(layout, into, false))

    private fun dressed(base: Context): Context {
        val night =
            when (base.graph.settings.now.appearance) {
                Appearance.SYSTEM -> return base
                Appearance.LIGHT -> Configuration.UI_MODE_NIGHT_NO
                Appearance.DARK -> Configuration.UI_MODE_NIGHT_YES
            }
        val configuration = Configuration(base.resources.configuration)
        configuration.uiMode = configuration.uiMode and Configuration.UI_MODE_NIGHT_MASK.inv() or night
        return base.createConfigurationContext(configuration)
    }

    private companion object {
        const val SCROLLED = "scrolled"
    }
}

/** One of the main screen's tabs. Takes its data through [screen]. */
abstract class Page(
    protected val screen: ScreenActivity,
) {
    /** The page came to the front, or its data may be old: load and call [ScreenActivity.show]. */
    abstract fun shown()

    /** The page went to the back. */
    open fun hidden() {}

    open fun save(state: Bundle) {}

    open fun restore(state: Bundle) {}
}
