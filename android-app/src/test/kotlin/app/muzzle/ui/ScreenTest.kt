package app.muzzle.ui

import android.app.Activity
import android.app.AlertDialog
import android.app.Application
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Rect
import android.os.Bundle
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.ListView
import android.widget.ScrollView
import android.widget.TextView
import app.muzzle.MuzzleApp
import app.muzzle.R
import app.muzzle.TestGraph
import app.muzzle.core.Filter
import app.muzzle.settings.policy
import org.junit.After
import org.junit.Assert.fail
import org.junit.Before
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.shadows.ShadowDialog
import java.io.File
import java.time.Duration

/** A screen test over the real core. Names screens by what a person reads on them. */
@RunWith(RobolectricTestRunner::class)
abstract class ScreenTest {
    protected lateinit var graph: TestGraph

    @Before
    open fun makeGraph() {
        graph = TestGraph(RuntimeEnvironment.getApplication())
        MuzzleApp.makeGraph = { graph }
    }

    @After
    open fun closeGraph() = graph.close()

    /** Qualifiers such as `+night`, `ar-rXB-ldrtl`, `+land`: see Robolectric's device configuration. */
    protected fun qualifiers(text: String) = RuntimeEnvironment.setQualifiers(text)

    protected fun fontScale(scale: Float) = RuntimeEnvironment.setFontScale(scale)

    protected inline fun <reified T : Activity> open(): ActivityController<T> =
        Robolectric.buildActivity(T::class.java).setup().also { settle() }

    /** Work is under way that a screen waits for. */
    protected open val busy get() = graph.busy

    protected fun settle() {
        val looper = shadowOf(Looper.getMainLooper())
        do {
            val before = busy
            looper.idle()
            if (before) Thread.sleep(1)
        } while (before || busy || !looper.isIdle)
    }

    /** Waits for what another thread does. */
    protected fun eventually(
        what: String,
        holds: () -> Boolean,
    ) {
        repeat(WAITS) {
            settle()
            if (holds()) return
            Thread.sleep(WAIT_MS)
        }
        fail("never: $what; ${told()}")
    }

    /** What helps to see why something never happened. */
    protected open fun told() = ""

    /** Another graph in place of the one that each test begins with. */
    protected fun use(make: (Application) -> TestGraph) {
        graph.close()
        graph = make(RuntimeEnvironment.getApplication())
        MuzzleApp.makeGraph = { graph }
    }

    /** Every screen, by its name. */
    protected fun everyScreen(): Map<String, Intent> {
        val context = RuntimeEnvironment.getApplication()
        val event = graph.core.events(Filter(kind = "visited-page")).first()

        fun plain(type: Class<out Activity>) = Intent(context, type)
        return mapOf(
            "main" to plain(MainActivity::class.java),
            "event" to EventActivity.of(context, event.id),
            "host" to HostActivity.of(context, "tracking.intl.miui.com"),
            "app" to AppActivity.of(context, "com.miui.player"),
            "identifiers" to plain(IdentifiersActivity::class.java),
            "lists" to plain(ListsActivity::class.java),
            "export" to plain(ExportActivity::class.java),
            "settings" to plain(SettingsActivity::class.java),
            "diagnostics" to plain(DiagnosticsActivity::class.java),
            "keep-alive" to plain(KeepAliveActivity::class.java),
            "first" to plain(FirstRunActivity::class.java),
        )
    }

    protected fun at(intent: Intent): ActivityController<out Activity> {
        val type = Class.forName(intent.component!!.className).asSubclass(Activity::class.java)
        return Robolectric.buildActivity(type, intent).setup().also { settle() }
    }

    /** Every text that a person sees under a view, in order. */
    protected fun texts(view: View): List<String> =
        visible(view).filterIsInstance<TextView>().map { it.text.toString() }.filter { it.isNotBlank() }.toList()

    protected fun texts(activity: Activity) = texts(activity.window.decorView)

    protected fun assertShows(
        activity: Activity,
        vararg words: String,
    ) {
        val shown = texts(activity)
        words.filter { word -> shown.none { word in it } }.let { if (it.isNotEmpty()) fail("missing $it in $shown") }
    }

    /** Touches the first visible thing with this text or description, or the clickable thing around it. */
    protected fun tap(
        activity: Activity,
        words: String,
    ) {
        val hit =
            visible(activity.window.decorView).firstOrNull {
                (it is TextView && it.text.toString() == words) || it.contentDescription?.toString() == words
            } ?: error("nothing says \"$words\": ${texts(activity)}")
        val target = generateSequence(hit) { it.parent as? View }.first { it.isClickable }
        check(target.performClick()) { "\"$words\" does nothing" }
        settle()
    }

    protected fun visible(view: View): Sequence<View> =
        sequence {
            if (view.visibility == View.VISIBLE) {
                yield(view)
                if (view is ViewGroup) for (n in 0 until view.childCount) yieldAll(visible(view.getChildAt(n)!!))
            }
        }

    /** The screen that was started last, opened. */
    protected inline fun <reified T : Activity> follow(from: Activity): T {
        val started = generateSequence { shadowOf(from).nextStartedActivity }
        val intent = started.firstOrNull { it.component?.className == T::class.java.name } ?: error("the screen was not started")
        return Robolectric
            .buildActivity(T::class.java, intent)
            .setup()
            .also { settle() }
            .get()
    }

    /** Scrolls the list until a row says this. */
    protected fun scrollTo(
        activity: Activity,
        words: String,
    ) {
        val list = activity.find<ListView>(R.id.list)
        var at = 0
        while (texts(activity).none { words in it }) {
            check(at < list.adapter.count) { "no row says \"$words\"" }
            list.setSelection(at)
            settle()
            at += maxOf(1, list.childCount - 1)
        }
    }

    /** The row of a list, seen now, that has this text. */
    protected fun row(
        activity: Activity,
        words: String,
    ): View {
        val list = activity.find<ListView>(R.id.list)
        return (0 until list.childCount).map { list.getChildAt(it)!! }.firstOrNull { row -> texts(row).any { words in it } }
            ?: error("no row says \"$words\": ${texts(activity)}")
    }

    /** Touches what has this text within a view. */
    protected fun tapIn(
        view: View,
        words: String,
    ) {
        val hit = visible(view).firstOrNull { it is TextView && it.text.toString() == words } ?: error("no \"$words\" in ${texts(view)}")
        check(generateSequence(hit) { it.parent as? View }.first { it.isClickable }.performClick()) { "\"$words\" does nothing" }
        settle()
    }

    /** Chooses a line of the dialog that is open. */
    protected fun choose(words: String) {
        val dialog = ShadowDialog.getLatestDialog() as AlertDialog
        val lines = dialog.listView.adapter
        val at = (0 until lines.count).firstOrNull { lines.getItem(it).toString() == words } ?: error("no \"$words\" to choose")
        shadowOf(dialog).clickOnItem(at)
        settle()
    }

    /** Types, and lets the typing rest. */
    protected fun type(
        activity: Activity,
        words: String,
    ) {
        activity.find<EditText>(R.id.search).setText(words)
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(1))
    }

    /** The screen as it comes back after a rotation, or after the system ended the process. */
    protected fun <T : Activity> revive(controller: ActivityController<T>): T = again(controller).get()

    protected fun <T : Activity> again(controller: ActivityController<T>): ActivityController<T> {
        val state = Bundle()
        val screen = controller.get()
        controller.pause().saveInstanceState(state).stop().destroy()
        return Robolectric.buildActivity(screen.javaClass, screen.intent).setup(state).also { settle() }
    }

    /** What the core does now with a host, for an app. */
    protected fun decision(
        host: String,
        packageName: String,
    ) = graph.core
        .host(host, graph.apps.uids(packageName).single())
        .decision
        ?.verdict

    /** As the service does: each change of the settings reaches the core at once. */
    protected fun obey() = graph.settings.listen { graph.warnings.told(graph.core.setPolicy(it.policy(graph.apps::uids))) }

    /** Draws the screen into the folder of pictures, scrolled to what begins with these words. */
    protected fun picture(
        activity: Activity,
        name: String,
        beginning: String? = null,
    ) {
        settle()
        beginning?.let { scrollUpTo(activity, it) }
        val view = activity.window.decorView
        val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(bitmap))
        val file = File(System.getProperty("muzzle.pictures")!!, "$name.png")
        file.parentFile!!.mkdirs()
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    }

    private fun scrollUpTo(
        activity: Activity,
        words: String,
    ) {
        val shown = visible(activity.window.decorView).filterIsInstance<TextView>().first { it.text.startsWith(words) }
        val scroll = generateSequence<View>(shown) { it.parent as? View }.filterIsInstance<ScrollView>().first()
        val place = Rect(0, 0, shown.width, shown.height)
        scroll.offsetDescendantRectToMyCoords(shown, place)
        scroll.scrollTo(0, place.top)
        settle()
    }

    protected companion object {
        const val PHONE = "w411dp-h891dp-port-xhdpi"
        private const val WAITS = 1500
        private const val WAIT_MS = 20L
    }
}
