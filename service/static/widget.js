var j=globalThis,I=j.ShadowRoot&&(j.ShadyCSS===void 0||j.ShadyCSS.nativeShadow)&&"adoptedStyleSheets"in Document.prototype&&"replace"in CSSStyleSheet.prototype,se=Symbol(),xe=new WeakMap,P=class{constructor(t,e,s){if(this._$cssResult$=!0,s!==se)throw Error("CSSResult is not constructable. Use `unsafeCSS` or `css` instead.");this.cssText=t,this.t=e}get styleSheet(){let t=this.o,e=this.t;if(I&&t===void 0){let s=e!==void 0&&e.length===1;s&&(t=xe.get(e)),t===void 0&&((this.o=t=new CSSStyleSheet).replaceSync(this.cssText),s&&xe.set(e,t))}return t}toString(){return this.cssText}},we=r=>new P(typeof r=="string"?r:r+"",void 0,se),re=(r,...t)=>{let e=r.length===1?r[0]:t.reduce((s,i,n)=>s+(o=>{if(o._$cssResult$===!0)return o.cssText;if(typeof o=="number")return o;throw Error("Value passed to 'css' function must be a 'css' function result: "+o+". Use 'unsafeCSS' to pass non-literal values, but take care to ensure page security.")})(i)+r[n+1],r[0]);return new P(e,r,se)},ke=(r,t)=>{if(I)r.adoptedStyleSheets=t.map(e=>e instanceof CSSStyleSheet?e:e.styleSheet);else for(let e of t){let s=document.createElement("style"),i=j.litNonce;i!==void 0&&s.setAttribute("nonce",i),s.textContent=e.cssText,r.appendChild(s)}},ie=I?r=>r:r=>r instanceof CSSStyleSheet?(t=>{let e="";for(let s of t.cssRules)e+=s.cssText;return we(e)})(r):r;var{is:vt,defineProperty:yt,getOwnPropertyDescriptor:$t,getOwnPropertyNames:xt,getOwnPropertySymbols:wt,getPrototypeOf:kt}=Object,D=globalThis,_e=D.trustedTypes,_t=_e?_e.emptyScript:"",At=D.reactiveElementPolyfillSupport,z=(r,t)=>r,ne={toAttribute(r,t){switch(t){case Boolean:r=r?_t:null;break;case Object:case Array:r=r==null?r:JSON.stringify(r)}return r},fromAttribute(r,t){let e=r;switch(t){case Boolean:e=r!==null;break;case Number:e=r===null?null:Number(r);break;case Object:case Array:try{e=JSON.parse(r)}catch{e=null}}return e}},Te=(r,t)=>!vt(r,t),Ae={attribute:!0,type:String,converter:ne,reflect:!1,useDefault:!1,hasChanged:Te};Symbol.metadata??=Symbol("metadata"),D.litPropertyMetadata??=new WeakMap;var $=class extends HTMLElement{static addInitializer(t){this._$Ei(),(this.l??=[]).push(t)}static get observedAttributes(){return this.finalize(),this._$Eh&&[...this._$Eh.keys()]}static createProperty(t,e=Ae){if(e.state&&(e.attribute=!1),this._$Ei(),this.prototype.hasOwnProperty(t)&&((e=Object.create(e)).wrapped=!0),this.elementProperties.set(t,e),!e.noAccessor){let s=Symbol(),i=this.getPropertyDescriptor(t,s,e);i!==void 0&&yt(this.prototype,t,i)}}static getPropertyDescriptor(t,e,s){let{get:i,set:n}=$t(this.prototype,t)??{get(){return this[e]},set(o){this[e]=o}};return{get:i,set(o){let l=i?.call(this);n?.call(this,o),this.requestUpdate(t,l,s)},configurable:!0,enumerable:!0}}static getPropertyOptions(t){return this.elementProperties.get(t)??Ae}static _$Ei(){if(this.hasOwnProperty(z("elementProperties")))return;let t=kt(this);t.finalize(),t.l!==void 0&&(this.l=[...t.l]),this.elementProperties=new Map(t.elementProperties)}static finalize(){if(this.hasOwnProperty(z("finalized")))return;if(this.finalized=!0,this._$Ei(),this.hasOwnProperty(z("properties"))){let e=this.properties,s=[...xt(e),...wt(e)];for(let i of s)this.createProperty(i,e[i])}let t=this[Symbol.metadata];if(t!==null){let e=litPropertyMetadata.get(t);if(e!==void 0)for(let[s,i]of e)this.elementProperties.set(s,i)}this._$Eh=new Map;for(let[e,s]of this.elementProperties){let i=this._$Eu(e,s);i!==void 0&&this._$Eh.set(i,e)}this.elementStyles=this.finalizeStyles(this.styles)}static finalizeStyles(t){let e=[];if(Array.isArray(t)){let s=new Set(t.flat(1/0).reverse());for(let i of s)e.unshift(ie(i))}else t!==void 0&&e.push(ie(t));return e}static _$Eu(t,e){let s=e.attribute;return s===!1?void 0:typeof s=="string"?s:typeof t=="string"?t.toLowerCase():void 0}constructor(){super(),this._$Ep=void 0,this.isUpdatePending=!1,this.hasUpdated=!1,this._$Em=null,this._$Ev()}_$Ev(){this._$ES=new Promise(t=>this.enableUpdating=t),this._$AL=new Map,this._$E_(),this.requestUpdate(),this.constructor.l?.forEach(t=>t(this))}addController(t){(this._$EO??=new Set).add(t),this.renderRoot!==void 0&&this.isConnected&&t.hostConnected?.()}removeController(t){this._$EO?.delete(t)}_$E_(){let t=new Map,e=this.constructor.elementProperties;for(let s of e.keys())this.hasOwnProperty(s)&&(t.set(s,this[s]),delete this[s]);t.size>0&&(this._$Ep=t)}createRenderRoot(){let t=this.shadowRoot??this.attachShadow(this.constructor.shadowRootOptions);return ke(t,this.constructor.elementStyles),t}connectedCallback(){this.renderRoot??=this.createRenderRoot(),this.enableUpdating(!0),this._$EO?.forEach(t=>t.hostConnected?.())}enableUpdating(t){}disconnectedCallback(){this._$EO?.forEach(t=>t.hostDisconnected?.())}attributeChangedCallback(t,e,s){this._$AK(t,s)}_$ET(t,e){let s=this.constructor.elementProperties.get(t),i=this.constructor._$Eu(t,s);if(i!==void 0&&s.reflect===!0){let n=(s.converter?.toAttribute!==void 0?s.converter:ne).toAttribute(e,s.type);this._$Em=t,n==null?this.removeAttribute(i):this.setAttribute(i,n),this._$Em=null}}_$AK(t,e){let s=this.constructor,i=s._$Eh.get(t);if(i!==void 0&&this._$Em!==i){let n=s.getPropertyOptions(i),o=typeof n.converter=="function"?{fromAttribute:n.converter}:n.converter?.fromAttribute!==void 0?n.converter:ne;this._$Em=i;let l=o.fromAttribute(e,n.type);this[i]=l??this._$Ej?.get(i)??l,this._$Em=null}}requestUpdate(t,e,s,i=!1,n){if(t!==void 0){let o=this.constructor;if(i===!1&&(n=this[t]),s??=o.getPropertyOptions(t),!((s.hasChanged??Te)(n,e)||s.useDefault&&s.reflect&&n===this._$Ej?.get(t)&&!this.hasAttribute(o._$Eu(t,s))))return;this.C(t,e,s)}this.isUpdatePending===!1&&(this._$ES=this._$EP())}C(t,e,{useDefault:s,reflect:i,wrapped:n},o){s&&!(this._$Ej??=new Map).has(t)&&(this._$Ej.set(t,o??e??this[t]),n!==!0||o!==void 0)||(this._$AL.has(t)||(this.hasUpdated||s||(e=void 0),this._$AL.set(t,e)),i===!0&&this._$Em!==t&&(this._$Eq??=new Set).add(t))}async _$EP(){this.isUpdatePending=!0;try{await this._$ES}catch(e){Promise.reject(e)}let t=this.scheduleUpdate();return t!=null&&await t,!this.isUpdatePending}scheduleUpdate(){return this.performUpdate()}performUpdate(){if(!this.isUpdatePending)return;if(!this.hasUpdated){if(this.renderRoot??=this.createRenderRoot(),this._$Ep){for(let[i,n]of this._$Ep)this[i]=n;this._$Ep=void 0}let s=this.constructor.elementProperties;if(s.size>0)for(let[i,n]of s){let{wrapped:o}=n,l=this[i];o!==!0||this._$AL.has(i)||l===void 0||this.C(i,void 0,n,l)}}let t=!1,e=this._$AL;try{t=this.shouldUpdate(e),t?(this.willUpdate(e),this._$EO?.forEach(s=>s.hostUpdate?.()),this.update(e)):this._$EM()}catch(s){throw t=!1,this._$EM(),s}t&&this._$AE(e)}willUpdate(t){}_$AE(t){this._$EO?.forEach(e=>e.hostUpdated?.()),this.hasUpdated||(this.hasUpdated=!0,this.firstUpdated(t)),this.updated(t)}_$EM(){this._$AL=new Map,this.isUpdatePending=!1}get updateComplete(){return this.getUpdateComplete()}getUpdateComplete(){return this._$ES}shouldUpdate(t){return!0}update(t){this._$Eq&&=this._$Eq.forEach(e=>this._$ET(e,this[e])),this._$EM()}updated(t){}firstUpdated(t){}};$.elementStyles=[],$.shadowRootOptions={mode:"open"},$[z("elementProperties")]=new Map,$[z("finalized")]=new Map,At?.({ReactiveElement:$}),(D.reactiveElementVersions??=[]).push("2.1.2");var ae=globalThis,Se=r=>r,V=ae.trustedTypes,Ee=V?V.createPolicy("lit-html",{createHTML:r=>r}):void 0,le="$lit$",x=`lit$${Math.random().toFixed(9).slice(2)}$`,ce="?"+x,Tt=`<${ce}>`,S=document,U=()=>S.createComment(""),N=r=>r===null||typeof r!="object"&&typeof r!="function",de=Array.isArray,ze=r=>de(r)||typeof r?.[Symbol.iterator]=="function",oe=`[ 	
\f\r]`,L=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,Ce=/-->/g,Re=/>/g,A=RegExp(`>|${oe}(?:([^\\s"'>=/]+)(${oe}*=${oe}*(?:[^ 	
\f\r"'\`<>=]|("|')|))|$)`,"g"),Me=/'/g,qe=/"/g,Le=/^(?:script|style|textarea|title)$/i,pe=r=>(t,...e)=>({_$litType$:r,strings:t,values:e}),d=pe(1),b=pe(2),ts=pe(3),w=Symbol.for("lit-noChange"),p=Symbol.for("lit-nothing"),Pe=new WeakMap,T=S.createTreeWalker(S,129);function Ue(r,t){if(!de(r)||!r.hasOwnProperty("raw"))throw Error("invalid template strings array");return Ee!==void 0?Ee.createHTML(t):t}var Ne=(r,t)=>{let e=r.length-1,s=[],i,n=t===2?"<svg>":t===3?"<math>":"",o=L;for(let l=0;l<e;l++){let a=r[l],u,m,c=-1,f=0;for(;f<a.length&&(o.lastIndex=f,m=o.exec(a),m!==null);)f=o.lastIndex,o===L?m[1]==="!--"?o=Ce:m[1]!==void 0?o=Re:m[2]!==void 0?(Le.test(m[2])&&(i=RegExp("</"+m[2],"g")),o=A):m[3]!==void 0&&(o=A):o===A?m[0]===">"?(o=i??L,c=-1):m[1]===void 0?c=-2:(c=o.lastIndex-m[2].length,u=m[1],o=m[3]===void 0?A:m[3]==='"'?qe:Me):o===qe||o===Me?o=A:o===Ce||o===Re?o=L:(o=A,i=void 0);let h=o===A&&r[l+1].startsWith("/>")?" ":"";n+=o===L?a+Tt:c>=0?(s.push(u),a.slice(0,c)+le+a.slice(c)+x+h):a+x+(c===-2?l:h)}return[Ue(r,n+(r[e]||"<?>")+(t===2?"</svg>":t===3?"</math>":"")),s]},H=class r{constructor({strings:t,_$litType$:e},s){let i;this.parts=[];let n=0,o=0,l=t.length-1,a=this.parts,[u,m]=Ne(t,e);if(this.el=r.createElement(u,s),T.currentNode=this.el.content,e===2||e===3){let c=this.el.content.firstChild;c.replaceWith(...c.childNodes)}for(;(i=T.nextNode())!==null&&a.length<l;){if(i.nodeType===1){if(i.hasAttributes())for(let c of i.getAttributeNames())if(c.endsWith(le)){let f=m[o++],h=i.getAttribute(c).split(x),g=/([.?@])?(.*)/.exec(f);a.push({type:1,index:n,name:g[2],strings:h,ctor:g[1]==="."?W:g[1]==="?"?F:g[1]==="@"?Q:C}),i.removeAttribute(c)}else c.startsWith(x)&&(a.push({type:6,index:n}),i.removeAttribute(c));if(Le.test(i.tagName)){let c=i.textContent.split(x),f=c.length-1;if(f>0){i.textContent=V?V.emptyScript:"";for(let h=0;h<f;h++)i.append(c[h],U()),T.nextNode(),a.push({type:2,index:++n});i.append(c[f],U())}}}else if(i.nodeType===8)if(i.data===ce)a.push({type:2,index:n});else{let c=-1;for(;(c=i.data.indexOf(x,c+1))!==-1;)a.push({type:7,index:n}),c+=x.length-1}n++}}static createElement(t,e){let s=S.createElement("template");return s.innerHTML=t,s}};function E(r,t,e=r,s){if(t===w)return t;let i=s!==void 0?e._$Co?.[s]:e._$Cl,n=N(t)?void 0:t._$litDirective$;return i?.constructor!==n&&(i?._$AO?.(!1),n===void 0?i=void 0:(i=new n(r),i._$AT(r,e,s)),s!==void 0?(e._$Co??=[])[s]=i:e._$Cl=i),i!==void 0&&(t=E(r,i._$AS(r,t.values),i,s)),t}var B=class{constructor(t,e){this._$AV=[],this._$AN=void 0,this._$AD=t,this._$AM=e}get parentNode(){return this._$AM.parentNode}get _$AU(){return this._$AM._$AU}u(t){let{el:{content:e},parts:s}=this._$AD,i=(t?.creationScope??S).importNode(e,!0);T.currentNode=i;let n=T.nextNode(),o=0,l=0,a=s[0];for(;a!==void 0;){if(o===a.index){let u;a.type===2?u=new R(n,n.nextSibling,this,t):a.type===1?u=new a.ctor(n,a.name,a.strings,this,t):a.type===6&&(u=new K(n,this,t)),this._$AV.push(u),a=s[++l]}o!==a?.index&&(n=T.nextNode(),o++)}return T.currentNode=S,i}p(t){let e=0;for(let s of this._$AV)s!==void 0&&(s.strings!==void 0?(s._$AI(t,s,e),e+=s.strings.length-2):s._$AI(t[e])),e++}},R=class r{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(t,e,s,i){this.type=2,this._$AH=p,this._$AN=void 0,this._$AA=t,this._$AB=e,this._$AM=s,this.options=i,this._$Cv=i?.isConnected??!0}get parentNode(){let t=this._$AA.parentNode,e=this._$AM;return e!==void 0&&t?.nodeType===11&&(t=e.parentNode),t}get startNode(){return this._$AA}get endNode(){return this._$AB}_$AI(t,e=this){t=E(this,t,e),N(t)?t===p||t==null||t===""?(this._$AH!==p&&this._$AR(),this._$AH=p):t!==this._$AH&&t!==w&&this._(t):t._$litType$!==void 0?this.$(t):t.nodeType!==void 0?this.T(t):ze(t)?this.k(t):this._(t)}O(t){return this._$AA.parentNode.insertBefore(t,this._$AB)}T(t){this._$AH!==t&&(this._$AR(),this._$AH=this.O(t))}_(t){this._$AH!==p&&N(this._$AH)?this._$AA.nextSibling.data=t:this.T(S.createTextNode(t)),this._$AH=t}$(t){let{values:e,_$litType$:s}=t,i=typeof s=="number"?this._$AC(t):(s.el===void 0&&(s.el=H.createElement(Ue(s.h,s.h[0]),this.options)),s);if(this._$AH?._$AD===i)this._$AH.p(e);else{let n=new B(i,this),o=n.u(this.options);n.p(e),this.T(o),this._$AH=n}}_$AC(t){let e=Pe.get(t.strings);return e===void 0&&Pe.set(t.strings,e=new H(t)),e}k(t){de(this._$AH)||(this._$AH=[],this._$AR());let e=this._$AH,s,i=0;for(let n of t)i===e.length?e.push(s=new r(this.O(U()),this.O(U()),this,this.options)):s=e[i],s._$AI(n),i++;i<e.length&&(this._$AR(s&&s._$AB.nextSibling,i),e.length=i)}_$AR(t=this._$AA.nextSibling,e){for(this._$AP?.(!1,!0,e);t!==this._$AB;){let s=Se(t).nextSibling;Se(t).remove(),t=s}}setConnected(t){this._$AM===void 0&&(this._$Cv=t,this._$AP?.(t))}},C=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(t,e,s,i,n){this.type=1,this._$AH=p,this._$AN=void 0,this.element=t,this.name=e,this._$AM=i,this.options=n,s.length>2||s[0]!==""||s[1]!==""?(this._$AH=Array(s.length-1).fill(new String),this.strings=s):this._$AH=p}_$AI(t,e=this,s,i){let n=this.strings,o=!1;if(n===void 0)t=E(this,t,e,0),o=!N(t)||t!==this._$AH&&t!==w,o&&(this._$AH=t);else{let l=t,a,u;for(t=n[0],a=0;a<n.length-1;a++)u=E(this,l[s+a],e,a),u===w&&(u=this._$AH[a]),o||=!N(u)||u!==this._$AH[a],u===p?t=p:t!==p&&(t+=(u??"")+n[a+1]),this._$AH[a]=u}o&&!i&&this.j(t)}j(t){t===p?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,t??"")}},W=class extends C{constructor(){super(...arguments),this.type=3}j(t){this.element[this.name]=t===p?void 0:t}},F=class extends C{constructor(){super(...arguments),this.type=4}j(t){this.element.toggleAttribute(this.name,!!t&&t!==p)}},Q=class extends C{constructor(t,e,s,i,n){super(t,e,s,i,n),this.type=5}_$AI(t,e=this){if((t=E(this,t,e,0)??p)===w)return;let s=this._$AH,i=t===p&&s!==p||t.capture!==s.capture||t.once!==s.once||t.passive!==s.passive,n=t!==p&&(s===p||i);i&&this.element.removeEventListener(this.name,this,s),n&&this.element.addEventListener(this.name,this,t),this._$AH=t}handleEvent(t){typeof this._$AH=="function"?this._$AH.call(this.options?.host??this.element,t):this._$AH.handleEvent(t)}},K=class{constructor(t,e,s){this.element=t,this.type=6,this._$AN=void 0,this._$AM=e,this.options=s}get _$AU(){return this._$AM._$AU}_$AI(t){E(this,t)}},He={M:le,P:x,A:ce,C:1,L:Ne,R:B,D:ze,V:E,I:R,H:C,N:F,U:Q,B:W,F:K},St=ae.litHtmlPolyfillSupport;St?.(H,R),(ae.litHtmlVersions??=[]).push("3.3.3");var Oe=(r,t,e)=>{let s=e?.renderBefore??t,i=s._$litPart$;if(i===void 0){let n=e?.renderBefore??null;s._$litPart$=i=new R(t.insertBefore(U(),n),n,void 0,e??{})}return i._$AI(r),i};var ue=globalThis,k=class extends ${constructor(){super(...arguments),this.renderOptions={host:this},this._$Do=void 0}createRenderRoot(){let t=super.createRenderRoot();return this.renderOptions.renderBefore??=t.firstChild,t}update(t){let e=this.render();this.hasUpdated||(this.renderOptions.isConnected=this.isConnected),super.update(t),this._$Do=Oe(e,this.renderRoot,this.renderOptions)}connectedCallback(){super.connectedCallback(),this._$Do?.setConnected(!0)}disconnectedCallback(){super.disconnectedCallback(),this._$Do?.setConnected(!1)}render(){return w}};k._$litElement$=!0,k.finalized=!0,ue.litElementHydrateSupport?.({LitElement:k});var Et=ue.litElementPolyfillSupport;Et?.({LitElement:k});(ue.litElementVersions??=[]).push("4.2.2");var je={ATTRIBUTE:1,CHILD:2,PROPERTY:3,BOOLEAN_ATTRIBUTE:4,EVENT:5,ELEMENT:6},Ie=r=>(...t)=>({_$litDirective$:r,values:t}),Y=class{constructor(t){}get _$AU(){return this._$AM._$AU}_$AT(t,e,s){this._$Ct=t,this._$AM=e,this._$Ci=s}_$AS(t,e){return this.update(t,e)}update(t,e){return this.render(...e)}};var{I:Ct}=He,De=r=>r;var Ve=()=>document.createComment(""),M=(r,t,e)=>{let s=r._$AA.parentNode,i=t===void 0?r._$AB:t._$AA;if(e===void 0){let n=s.insertBefore(Ve(),i),o=s.insertBefore(Ve(),i);e=new Ct(n,o,r,r.options)}else{let n=e._$AB.nextSibling,o=e._$AM,l=o!==r;if(l){let a;e._$AQ?.(r),e._$AM=r,e._$AP!==void 0&&(a=r._$AU)!==o._$AU&&e._$AP(a)}if(n!==i||l){let a=e._$AA;for(;a!==n;){let u=De(a).nextSibling;De(s).insertBefore(a,i),a=u}}}return e},_=(r,t,e=r)=>(r._$AI(t,e),r),Rt={},Be=(r,t=Rt)=>r._$AH=t,We=r=>r._$AH,X=r=>{r._$AR(),r._$AA.remove()};var Fe=(r,t,e)=>{let s=new Map;for(let i=t;i<=e;i++)s.set(r[i],i);return s},Qe=Ie(class extends Y{constructor(r){if(super(r),r.type!==je.CHILD)throw Error("repeat() can only be used in text expressions")}dt(r,t,e){let s;e===void 0?e=t:t!==void 0&&(s=t);let i=[],n=[],o=0;for(let l of r)i[o]=s?s(l,o):o,n[o]=e(l,o),o++;return{values:n,keys:i}}render(r,t,e){return this.dt(r,t,e).values}update(r,[t,e,s]){let i=We(r),{values:n,keys:o}=this.dt(t,e,s);if(!Array.isArray(i))return this.ut=o,n;let l=this.ut??=[],a=[],u,m,c=0,f=i.length-1,h=0,g=n.length-1;for(;c<=f&&h<=g;)if(i[c]===null)c++;else if(i[f]===null)f--;else if(l[c]===o[h])a[h]=_(i[c],n[h]),c++,h++;else if(l[f]===o[g])a[g]=_(i[f],n[g]),f--,g--;else if(l[c]===o[g])a[g]=_(i[c],n[g]),M(r,a[g+1],i[c]),c++,g--;else if(l[f]===o[h])a[h]=_(i[f],n[h]),M(r,i[c],i[f]),f--,h++;else if(u===void 0&&(u=Fe(o,h,g),m=Fe(l,c,f)),u.has(l[c]))if(u.has(l[f])){let y=m.get(o[h]),te=y!==void 0?i[y]:null;if(te===null){let $e=M(r,i[c]);_($e,n[h]),a[h]=$e}else a[h]=_(te,n[h]),M(r,i[c],te),i[y]=null;h++}else X(i[f]),f--;else X(i[c]),c++;for(;h<=g;){let y=M(r,a[g+1]);_(y,n[h]),a[h++]=y}for(;c<=f;){let y=i[c++];y!==null&&X(y)}return this.ut=o,Be(r,a),w}});var J=class{constructor(t){this.changed=t;this.words=["",""];this.turn=0}say(t){this.words[this.turn]=t,this.turn=1-this.turn,this.words[this.turn]="",this.changed()}render(){return this.words.map(t=>d`<div class="unseen" aria-live="polite" aria-atomic="true">${t}</div>`)}};function he(r,t){let e=[],s=16e3;for(let{question:i,reply:n}of r.slice(0,r.indexOf(t)).reverse()){if(!n||e.length>=40)continue;let o=n.answer?.text??"The report does not say.";if(s-=i.length+o.length,s<0)break;e.unshift({role:"user",content:i},{role:"assistant",content:o})}return e}var G=class r{static{this.taken=new Set}constructor(t){let e=`report-chat:1:${t}`;for(;r.taken.has(e);)e+="+";r.taken.add(this.key=e)}release(){r.taken.delete(this.key)}load(){try{let t=JSON.parse(sessionStorage.getItem(this.key)??"[]");return Array.isArray(t)?t.filter(e=>typeof e?.question=="string"):[]}catch{return[]}}save(t){let e=t.map(({id:s,question:i,state:n,reply:o,rating:l,feedback:a})=>({id:s,question:i,reply:o,rating:l,state:n==="done"?n:"stopped",feedback:a==="sent"?a:void 0}));for(;;)try{return e.length?sessionStorage.setItem(this.key,JSON.stringify(e)):sessionStorage.removeItem(this.key)}catch{if(!e.length)return;e=e.slice(Math.ceil(e.length/2))}}};var v=r=>d`<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.75"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${r}</svg>`,Ke=v(b`<path d="M4 5.5h16v11h-9l-4.5 3.5v-3.5H4z"/><path d="M8.5 9.5h7M8.5 12.5h4.5"/>`),Ye=v(b`<path d="M6 6l12 12M18 6L6 18"/>`),Xe=v(b`<path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5"/>`),Z=v(b`<path d="M12 19V5M5.5 11.5L12 5l6.5 6.5"/>`),Je=v(b`<rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor"/>`),Ge=v(b`<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M15 9V5.5A1.5 1.5 0 0 0 13.5 4h-8A1.5 1.5 0 0 0 4 5.5v8A1.5 1.5 0 0 0 5.5 15H9"/>`),Ze=v(b`<path d="M5 12.5l4.5 4.5L19 7.5"/>`),et=v(b`<path d="M6 3.5h8l4 4v13H6z"/><path d="M14 3.5v4h4M9 12h6M9 15.5h6"/>`),tt=v(b`<path d="M7.5 10.5v9M7.5 10.5l4-7c1.7 0 2.6 1.2 2.3 2.8L13.2 9.5h4.9c1.3 0 2.2 1.2 1.9 2.4l-1.4 5.7c-.2.9-1 1.6-2 1.6H7.5M7.5 10.5H4v9h3.5"/>`),st=v(b`<path d="M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4.5V9H15"/>`);var q=class extends Error{constructor(e){super(e.detail||e.kind);this.failure=e}},Mt=60,qt={429:"limited",503:"busy"};async function it(r,t,e){let s=AbortSignal.timeout(Mt*1e3);try{let i=await ct(r,"v1/answer",t,AbortSignal.any([e,s])),o=i.headers.get("Content-Type")?.startsWith("text/event-stream")?await zt(i):await i.json();if(typeof o?.answerable!="boolean"||!Array.isArray(o.citations)||!Array.isArray(o.results))throw O("failed");return o}catch(i){throw e.aborted||i instanceof q?i:O(s.aborted?"slow":navigator.onLine?"unreachable":"offline")}}async function nt(r,t){await ct(r,"v1/feedback",t,AbortSignal.timeout(15e3))}async function ot(r,t){let{data:e}=await lt(r,"v1/suggestions");return e.filter(s=>!t.length||t.includes(s.document_id)).map(s=>s.query)}function at(r,t){return lt(r,`v1/documents/${encodeURIComponent(t)}`)}function ee(r,t){let e=t.text_fragment?.startsWith("#:~:")?t.text_fragment.slice(1):"";try{let s=new URL(t.url+(t.url.includes("#")?e:e&&`#${e}`),r);return/^https?:$/.test(s.protocol)?s.href:void 0}catch{return}}async function lt(r,t){let e=await fetch(new URL(t,r),{credentials:"omit",signal:AbortSignal.timeout(15e3)});if(!e.ok)throw O("failed",{status:e.status});return e.json()}async function ct(r,t,e,s){let i=await fetch(new URL(t,r),{method:"POST",credentials:"omit",headers:{"Content-Type":"application/json",Accept:"text/event-stream, application/json;q=0.9"},body:JSON.stringify(e),signal:s});if(i.ok)return i;let n=await i.json().catch(()=>null);throw dt(i.status,n,i.headers)}function dt(r,t,e){return O(qt[r]??(r<500?"refused":"failed"),{status:r,detail:String(t?.detail??""),requestId:String(t?.request_id??e?.get("X-Request-Id")??""),retryAfter:Pt(e?.get("Retry-After"))})}function O(r,t={}){return new q({kind:r,status:0,detail:"",requestId:"",retryAfter:0,...t})}function Pt(r){let t=Number(r??0),e=Number.isNaN(t)?(Date.parse(r)-Date.now())/1e3:t;return Math.min(Math.max(Math.ceil(e)||0,0),3600)}async function zt(r){let t=r.body.pipeThrough(new TextDecoderStream).getReader(),e="";for(;;){let{value:s,done:i}=await t.read();e+=s??"";let n=e.split(/\r?\n\r?\n/);e=n.pop();for(let o of n){let l=/^event: ?(.*)$/m.exec(o)?.[1],a=o.match(/^data: ?.*$/gm)?.map(u=>u.replace(/^data: ?/,"")).join(`
`);if(l==="answer")return JSON.parse(a);if(l==="error"){let u=JSON.parse(a);throw dt(u.status,u)}}if(i)throw O("unreachable")}}var pt={title:"Ask the report",promise:"Answers are the report’s own words, with their place.",open:"Ask the report",close:"Close",clear:"Clear the conversation",cleared:"The conversation is cleared.",conversation:"Conversation",starters:"Questions to start with",question:"Your question",placeholder:"Ask about the report",send:"Ask",stop:"Stop",stopped:"Stopped. The question was not answered.",retry:"Try again",retryIn:r=>`Try again in ${r} s`,asked:"You asked",searched:r=>`Searched for: ${r}`,followed:"Read together with the conversation so far.",waiting:"Reading the report…",slow:"Still reading. This takes longer than usual.",openQuote:"“",closeQuote:"”",source:r=>`Source ${r}`,openInReport:"Open in report",newTab:"(opens in a new tab)",copy:"Copy quote",copied:"Copied",notCopied:"Could not be copied",whole:"Show the whole passage",shorter:"Show less",related:"More from the report",silent:"The report does not say.",reasons:{not_in_report:"No passage of the report answers this question.",off_topic:"This does not seem to be about the report.",premise_not_supported:"The question takes something for granted that the report does not state."},nearest:"Nearest passages",notAnswer:"Not an answer",useful:"Was this useful?",up:"Yes, useful",down:"No, not useful",why:"What was wrong?",complaints:{wrong:"It is not what I asked",incomplete:"Something is missing",wrong_place:"The quote comes from the wrong place",should_answer:"The report does say it",other:"Something else"},comment:"Anything to add? (optional)",privacy:"Sent with your question. Please leave out personal details.",sendFeedback:"Send",cancel:"Cancel",thanks:"Thank you for telling us.",feedbackFailed:"Your feedback could not be sent. Please try again.",youAreOffline:"You are offline. What you see stays here; new questions need a connection.",failures:{offline:"You are offline. Your question is kept: try again once you are connected.",unreachable:"The service cannot be reached. Your question is kept.",slow:"No answer came within a minute. The service may be overloaded.",limited:"Too many questions in a short time. Please wait a moment.",busy:"The service is busy right now. Please try again shortly.",refused:"The service did not accept this question.",failed:"Something went wrong in the service. It is not your question."},reference:r=>`Reference: ${r}`,spoken:(r,t)=>`The report says: ${r} Source: ${t}.`,spokenNear:r=>`Below: nearest passages, not an answer (${r}).`},Lt={title:"Interroger le rapport",promise:"Les réponses citent le rapport mot pour mot, avec leur emplacement.",open:"Interroger le rapport",close:"Fermer",clear:"Effacer la conversation",cleared:"La conversation est effacée.",conversation:"Conversation",starters:"Pour commencer",question:"Votre question",placeholder:"Interrogez le rapport",send:"Demander",stop:"Arrêter",stopped:"Arrêté. La question est restée sans réponse.",retry:"Réessayer",retryIn:r=>`Réessayer dans ${r} s`,asked:"Votre question",searched:r=>`Recherche : ${r}`,followed:"Lu avec la conversation qui précède.",waiting:"Lecture du rapport…",slow:"Lecture en cours. C’est plus long que d’habitude.",openQuote:"« ",closeQuote:" »",source:r=>`Source ${r}`,openInReport:"Ouvrir dans le rapport",newTab:"(nouvel onglet)",copy:"Copier la citation",copied:"Copié",notCopied:"La copie a échoué",whole:"Afficher tout le passage",shorter:"Réduire",related:"Ailleurs dans le rapport",silent:"Le rapport ne le dit pas.",reasons:{not_in_report:"Aucun passage du rapport ne répond à cette question.",off_topic:"Cette question ne semble pas porter sur le rapport.",premise_not_supported:"La question tient pour acquis un fait que le rapport n’affirme pas."},nearest:"Passages les plus proches",notAnswer:"Pas une réponse",useful:"Cette réponse vous est-elle utile ?",up:"Oui, utile",down:"Non, pas utile",why:"Qu’est-ce qui ne va pas ?",complaints:{wrong:"Ce n’est pas ma question",incomplete:"Il manque quelque chose",wrong_place:"La citation vient du mauvais endroit",should_answer:"Le rapport le dit pourtant",other:"Autre chose"},comment:"Un commentaire ? (facultatif)",privacy:"Envoyé avec votre question. N’y mettez pas de données personnelles.",sendFeedback:"Envoyer",cancel:"Annuler",thanks:"Merci de votre avis.",feedbackFailed:"Votre avis n’a pas pu être envoyé. Veuillez réessayer.",youAreOffline:"Vous êtes hors ligne. La conversation reste affichée ; il faut une connexion pour poser une question.",failures:{offline:"Vous êtes hors ligne. Votre question est conservée : réessayez une fois connecté.",unreachable:"Le service est injoignable. Votre question est conservée.",slow:"Aucune réponse en une minute. Le service est peut-être surchargé.",limited:"Trop de questions en peu de temps. Veuillez patienter un instant.",busy:"Le service est très sollicité. Veuillez réessayer dans un moment.",refused:"Le service n’a pas accepté cette question.",failed:"Une erreur s’est produite dans le service. Votre question n’est pas en cause."},reference:r=>`Référence : ${r}`,spoken:(r,t)=>`Le rapport dit : ${r} Source : ${t}.`,spokenNear:r=>`Ci-dessous : passages les plus proches, pas une réponse (${r}).`},Ut={en:pt,fr:Lt};function fe(r){return Ut[r.slice(0,2).toLowerCase()]??pt}var ut=re`
  :host {
    all: initial !important;
    display: block !important;
    color-scheme: light dark !important;
  }
  :host([theme="light"]) { color-scheme: light !important; }
  :host([theme="dark"]) { color-scheme: dark !important; }
  :host([hidden]) { display: none !important; }

  .root {
    all: initial;
    display: block;
    direction: inherit;
    color-scheme: inherit;
    --ink: light-dark(#1b2430, #e9ebee);
    --soft: light-dark(#545f6c, #a9b3bf);
    --paper: light-dark(#ffffff, #161a20);
    --wash: light-dark(#f5f6f4, #1e242c);
    --line: light-dark(#dadedb, #39424d);
    --edge: light-dark(#78838f, #7f8a97);
    --mark: light-dark(#ffedb0, #5d4b00);
    --alarm: light-dark(#9a1b1b, #ffb0a8);
    --accent: var(--report-chat-accent, light-dark(#1d4f7c, #93c4ec));
    --on-accent: var(--report-chat-on-accent, light-dark(#ffffff, #10151b));
    --radius: var(--report-chat-radius, 10px);
    --sans: var(--report-chat-font, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", "Liberation Sans", sans-serif);
    --serif: var(--report-chat-quote-font, "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", Georgia, "Noto Serif", "Liberation Serif", serif);
    font: 1em/1.5 var(--sans);
    font-size: medium;
    color: var(--ink);
    text-align: start;
    overflow-wrap: anywhere;
    -webkit-text-size-adjust: 100%;
  }
  *, ::before, ::after { box-sizing: border-box; }
  h2, h3, h4, p, ul, ol, blockquote, fieldset { margin: 0; padding: 0; border: 0; min-inline-size: 0; }
  h2, h3, h4 { font-size: 1em; }
  ul, ol { list-style: none; }
  [hidden] { display: none !important; }
  .unseen {
    position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
  }

  button, textarea { font: inherit; color: inherit; }
  button {
    min-block-size: 44px; min-inline-size: 44px; padding: 0; border: 1px solid transparent; border-radius: 8px;
    background: none; cursor: pointer; display: inline-flex; align-items: center; justify-content: center; gap: .45em;
    text-align: start;
  }
  button[disabled] { cursor: default; color: var(--soft); }
  a { color: var(--accent); text-underline-offset: .16em; }
  svg { flex: none; display: block; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  ::selection { background: var(--mark); color: var(--ink); }

  /* launcher */
  .launcher {
    position: fixed; inset-block-end: 20px; inset-inline-end: 20px; z-index: var(--report-chat-z, 2147483000);
    min-block-size: 52px; padding: 0 1.25em 0 1.05em; border-radius: 26px; border: 1px solid transparent;
    background: var(--accent); color: var(--on-accent); font-weight: 600;
    box-shadow: 0 1px 2px rgb(0 0 0 / .2), 0 8px 24px rgb(0 0 0 / .18);
  }
  .launcher:focus-visible { outline-color: var(--ink); outline-offset: 3px; box-shadow: 0 0 0 3px var(--paper); }

  /* panel */
  .panel {
    position: relative; display: flex; flex-direction: column; background: var(--paper);
    border: 1px solid var(--line); border-radius: var(--radius); overflow: hidden;
    block-size: var(--report-chat-height, auto); max-block-size: var(--report-chat-height, min(46em, 90vh));
  }
  .panel.floating {
    position: fixed; inset-block-end: 20px; inset-inline-end: 20px; z-index: var(--report-chat-z, 2147483000);
    inline-size: min(var(--report-chat-width, 26.5em), calc(100vw - 40px));
    block-size: min(var(--report-chat-height, 44em), calc(100vh - 40px));
    block-size: min(var(--report-chat-height, 44em), calc(100dvh - 40px));
    max-block-size: none;
    box-shadow: 0 2px 6px rgb(0 0 0 / .12), 0 18px 50px rgb(0 0 0 / .22);
  }
  header { display: flex; align-items: center; gap: 2px; padding: 8px 6px 8px 16px; border-block-end: 1px solid var(--line); }
  :host(:dir(rtl)) header { padding: 8px 16px 8px 6px; }
  header div { flex: 1; min-inline-size: 0; padding-block: 4px; }
  h2 { font-size: 1.0625em; font-weight: 650; line-height: 1.3; letter-spacing: -.005em; }
  header p { font-size: .8125em; line-height: 1.4; color: var(--soft); }
  header button { color: var(--soft); }
  header button:hover { color: var(--ink); background: var(--wash); }

  .log { position: relative; flex: 1 1 auto; min-block-size: 6em; overflow-y: auto; overscroll-behavior: contain; padding: 18px 16px; scrollbar-width: thin; }
  .log:focus-visible { outline-offset: -4px; border-radius: var(--radius); }
  .turn + .turn { margin-block-start: 26px; padding-block-start: 24px; border-block-start: 1px solid var(--line); }
  .turn { content-visibility: auto; contain-intrinsic-size: auto 320px; }

  /* before the first question */
  .starters h3 { font-size: .8125em; font-weight: 600; color: var(--soft); margin-block-end: 8px; }
  .starters li + li { border-block-start: 1px solid var(--line); }
  .starters button {
    inline-size: 100%; justify-content: space-between; padding: 9px 4px; border-radius: 4px; color: var(--accent); line-height: 1.35;
  }
  .starters button:hover { text-decoration: underline; text-underline-offset: .16em; }
  .starters svg { rotate: 90deg; color: var(--soft); inline-size: 16px; }
  :host(:dir(rtl)) .starters svg { rotate: -90deg; }
  .turn .starters { margin-block-start: 18px; }

  /* a turn */
  .asked { font-weight: 600; line-height: 1.4; color: var(--soft); }
  .asked [dir] { display: block; white-space: pre-wrap; }
  .understood { font-size: .875em; color: var(--soft); margin-block-start: 2px; }
  .said, .silence {
    font: 1.1875em/1.45 var(--serif); margin-block-start: 8px; text-wrap: pretty; letter-spacing: .002em; white-space: pre-line;
  }
  .said a { font: 600 .6em/1 var(--sans); vertical-align: .55em; margin-inline-start: .2em; padding: .2em .1em; text-decoration: none; }
  .said a:hover { text-decoration: underline; }
  .note { font-size: .9375em; color: var(--soft); margin-block-start: 4px; }

  .card { margin-block-start: 14px; border: 1px solid var(--line); border-radius: 8px; background: var(--wash); scroll-margin: 12px; }
  .card.near { background: none; border-style: dashed; border-color: var(--edge); }
  .card:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  .place { display: flex; gap: 10px; padding: 11px 14px 0; font-size: .8125em; line-height: 1.4; color: var(--soft); }
  .place strong { display: block; color: var(--ink); font-weight: 600; }
  .number {
    flex: none; inline-size: 1.7em; block-size: 1.7em; border-radius: 50%; display: grid; place-items: center;
    background: var(--accent); color: var(--on-accent); font-weight: 700; font-size: .923em; border: 1px solid transparent;
  }
  .tag { flex: none; align-self: start; margin-inline-start: auto; border: 1px solid var(--edge); border-radius: 4px; padding: 0 .5em; color: var(--ink); font-weight: 600; }
  .card blockquote { padding: 8px 14px 12px; font: .9375em/1.55 var(--serif); white-space: pre-line; }
  mark { background: var(--mark); color: inherit; padding: .08em 0; border-radius: 2px; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
  .near mark { background: none; text-decoration: underline dotted var(--edge); text-underline-offset: .2em; }
  .actions { display: flex; flex-wrap: wrap; border-block-start: 1px solid var(--line); padding-inline: 6px; }
  .near .actions { border-block-start-style: dashed; }
  .actions > * {
    display: inline-flex; align-items: center; gap: .4em; min-block-size: 44px; padding: 0 8px; border-radius: 6px;
    font-size: .875em; font-weight: 600; color: var(--accent); text-decoration: none; line-height: 1.2;
  }
  .actions > :hover { text-decoration: underline; text-underline-offset: .16em; }
  .actions svg { inline-size: 17px; block-size: 17px; }
  .more { font-size: .875em; padding-inline: 8px; margin: -8px 6px 2px; color: var(--accent); }
  h4 { font-size: .8125em; font-weight: 600; color: var(--soft); margin-block-start: 16px; }
  h4 + .card { margin-block-start: 8px; }
  details { margin-block-start: 12px; }
  summary { min-block-size: 44px; display: flex; align-items: center; gap: .5em; font-size: .875em; font-weight: 600; color: var(--accent); cursor: pointer; border-radius: 6px; list-style: none; }
  summary::-webkit-details-marker { display: none; }
  summary::before { content: ""; inline-size: .42em; block-size: .42em; border: solid currentColor; border-width: 0 1.75px 1.75px 0; rotate: -45deg; margin-inline: .2em .1em; }
  :host(:dir(rtl)) summary::before { rotate: 135deg; }
  details[open] > summary::before, :host(:dir(rtl)) details[open] > summary::before { rotate: 45deg; }
  details .card { margin-block-start: 4px; }
  details .card + .card { margin-block-start: 12px; }

  .judge { display: flex; flex-wrap: wrap; align-items: center; gap: 0 2px; margin-block-start: 10px; font-size: .875em; color: var(--soft); }
  .judge span { margin-inline-end: 6px; }
  .judge button:hover { background: var(--wash); color: var(--ink); }
  .judge button[aria-pressed="true"] { color: var(--accent); background: var(--wash); border-color: var(--accent); }
  .judge .down svg { rotate: 180deg; }
  .why { margin-block-start: 8px; padding: 12px 14px 10px; border: 1px solid var(--line); border-radius: 8px; font-size: .9375em; }
  legend { padding: 0; font-weight: 600; }
  .why label.choice { display: flex; align-items: center; gap: .65em; min-block-size: 44px; cursor: pointer; }
  input[type="radio"] { inline-size: 18px; block-size: 18px; margin: 0; accent-color: var(--accent); flex: none; }
  .why label.words { display: block; margin-block: 6px 4px; }
  .why p { font-size: .8667em; color: var(--soft); margin-block: 6px 10px; }
  .pair { display: flex; flex-wrap: wrap; gap: 8px; }
  .solid { background: var(--accent); color: var(--on-accent); font-weight: 600; padding-inline: 1.1em; }
  .quiet { border-color: var(--edge); padding-inline: 1.1em; font-weight: 600; }
  .quiet:hover:not([disabled]) { background: var(--wash); }

  .state { margin-block-start: 12px; color: var(--soft); display: flex; align-items: center; gap: .7em; }
  .dots { display: inline-flex; gap: 5px; flex: none; }
  .dots i { inline-size: 6px; block-size: 6px; border-radius: 50%; background: CurrentColor; opacity: .75; }
  .failure { margin-block-start: 12px; padding: 2px 0 2px 14px; border-inline-start: 3px solid var(--alarm); }
  :host(:dir(rtl)) .failure { padding: 2px 14px 2px 0; }
  .failure small { display: block; font-size: .8125em; color: var(--soft); margin-block-start: 2px; }
  .failure + button, .stopped + button { margin-block-start: 12px; }
  .stopped { margin-block-start: 10px; color: var(--soft); }

  /* composer */
  .offline { padding: 10px 16px; font-size: .875em; background: var(--wash); border-block-start: 1px solid var(--line); }
  form.ask { display: flex; align-items: end; gap: 8px; padding: 12px; border-block-start: 1px solid var(--line); }
  textarea {
    flex: 1; inline-size: 100%; min-inline-size: 0; min-block-size: 44px; max-block-size: 9.5em; padding: 9px 12px; resize: none;
    field-sizing: content; background: var(--paper); border: 1px solid var(--edge); border-radius: 8px; line-height: 1.5;
  }
  textarea::placeholder { color: var(--soft); opacity: 1; }
  textarea:focus-visible { outline-offset: 0; border-color: var(--accent); }
  form.ask button { inline-size: 44px; background: var(--accent); color: var(--on-accent); }
  form.ask button.halt { background: none; color: var(--accent); border-color: var(--accent); }

  @media (max-width: 30em) {
    .panel.floating { inset: auto 0 0 0; inline-size: 100vw; block-size: 100vh; block-size: 100dvh; border-radius: 0; border-width: 0; }
    .launcher { inset-block-end: 14px; inset-inline-end: 14px; }
  }
  @media (max-height: 26em) {
    header p { display: none; }
    .panel.floating { inset-block: auto 0; block-size: 100vh; block-size: 100dvh; border-radius: 0; }
    .log { padding-block: 12px; }
  }
  @media (prefers-reduced-motion: no-preference) {
    .panel.floating:not([hidden]) { animation: rise .18s cubic-bezier(.2, .7, .3, 1); }
    .dots i { animation: breathe 1.2s infinite ease-in-out; }
    .dots i:nth-child(2) { animation-delay: .15s; }
    .dots i:nth-child(3) { animation-delay: .3s; }
    .log { scroll-behavior: smooth; }
    @keyframes rise { from { opacity: 0; translate: 0 10px; } }
    @keyframes breathe { 0%, 80%, 100% { opacity: .3; } 40% { opacity: 1; } }
  }
  @media (forced-colors: active) {
    .panel, .card, .why { border-color: CanvasText; }
    mark { background: Mark; color: MarkText; forced-color-adjust: none; }
    .near mark { background: none; color: CanvasText; }
    .launcher, .solid, form.ask button, .number { border-color: ButtonBorder; }
    .judge button[aria-pressed="true"] { background: Highlight; color: HighlightText; forced-color-adjust: none; }
    .dots i { background: CanvasText; }
    button[disabled] { color: GrayText; }
    :focus-visible { outline-color: Highlight; }
  }
  @media print {
    .launcher, form.ask, .judge, .why, .actions, .more, .offline, .starters, header button, .quiet { display: none !important; }
    .panel, .panel.floating { position: static; inline-size: auto; block-size: auto; max-block-size: none; overflow: visible; border: 0; box-shadow: none; }
    .log { overflow: visible; padding-inline: 0; }
    .turn { content-visibility: visible; break-inside: avoid-page; }
    .root { --paper: #fff; --ink: #000; --soft: #333; --wash: #fff; --mark: #ffedb0; }
    mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  }
`;function ft(r,t,e){let s=Array.from(r),[i,n]=t??[0,0],o=e||i<=180*1.4?0:ht(s,i-180,i),l=e||s.length-n<=180*1.4?s.length:ht(s,n+180,s.length);return{before:(o?"… ":"")+s.slice(o,i).join(""),marked:s.slice(i,n).join(""),after:s.slice(n,l).join("").trimEnd()+(l<s.length?" …":""),cut:o>0||l<s.length}}function ht(r,t,e){for(let s=t;s<e;s++)if(/\s/.test(r[s-1]))return s;return e}function mt(r,t,e){let{words:s}=r;return d`<li class="turn" data-turn=${t.id}>
    <h3 class="asked"><span class="unseen">${s.asked}: </span><span dir="auto">${t.question}</span></h3>
    ${t.reply?Ot(r,t,e):Nt(r,t)}
  </li>`}function ge(r){return r.starters.length?d`<div class="starters">
    <h3>${r.words.starters}</h3>
    <ul>${r.starters.map(t=>d`<li>
      <button type="button" dir="auto" @click=${()=>r.ask(t)}>${t}${Z}</button>
    </li>`)}</ul>
  </div>`:p}function be(r,t){let e=r.reports.get(t.document_id),s=e?.date?ve(e.date,r.language):"",i=[e?.publisher,e?.number??t.document_id,s].filter(Boolean).join(" · ");return{headings:[t.document_title,...t.heading_path].join(" › "),report:i}}function gt(r,t){return r.reports.get(t?.document_id??"")?.language??p}function ve(r,t){let e=Date.parse(r);return Number.isNaN(e)?r:new Intl.DateTimeFormat(t,{dateStyle:"long",timeZone:"UTC"}).format(e)}function Nt(r,t){let{words:e}=r;if(t.state==="waiting"||t.state==="slow")return d`<p class="state"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>${e[t.state]}</p>`;let s=Math.ceil(((t.retryAt??0)-Date.now())/1e3);return d`
    ${t.failure?Ht(e,t.failure):d`<p class="stopped">${e.stopped}</p>`}
    <button type="button" class="quiet" ?disabled=${s>0} @click=${()=>r.retry(t)}>
      ${st}${s>0?e.retryIn(s):e.retry}
    </button>`}function Ht(r,t){let{kind:e,detail:s,requestId:i}=t;return d`<div class="failure">
    <p>${r.failures[e]}</p>
    ${s&&e!=="limited"&&e!=="busy"?d`<small>${s}</small>`:p}
    ${i&&e==="failed"?d`<small>${r.reference(i)}</small>`:p}
  </div>`}function Ot(r,t,e){let{words:s}=r,{query:i}=t.reply,{corrected:n,resolved:o}=i??{};return d`
    ${n?d`<p class="understood">${s.searched(n)}</p>`:p}
    ${o?d`<p class="understood">${s.followed}</p>`:p}
    ${t.reply.answerable&&t.reply.answer?jt(r,t):It(r,t)}
    ${Dt(r,t)}
    ${t.reply.reason==="off_topic"&&e?ge(r):p}`}function jt(r,t){let{words:e}=r,{answer:s,citations:i,results:n}=t.reply,o=s.citations.filter(a=>i[a]),l=n.filter(a=>!o.includes(a.citation)&&i[a.citation]);return d`
    <blockquote class="said" dir="auto">${e.openQuote}<span lang=${gt(r,i[o[0]])}>${s.text}</span>${e.closeQuote}${o.map((a,u)=>d`<a href="#" aria-label=${e.source(u+1)} @click=${Ft}>${u+1}</a>`)}</blockquote>
    ${o.map((a,u)=>me(r,t,i[a],Bt(n,a),u+1))}
    ${l.length?d`<details>
      <summary>${e.related}</summary>
      ${l.map(a=>me(r,t,i[a.citation],a,0))}
    </details>`:p}`}function It(r,t){let{words:e}=r,{reason:s,citations:i,results:n}=t.reply,o=n.filter(a=>i[a.citation]),l=o.map(a=>me(r,t,i[a.citation],a,-1));return d`
    <p class="silence">${e.silent}</p>
    <p class="note">${e.reasons[s??""]??e.reasons.not_in_report}</p>
    ${o.length?s==="off_topic"?d`<details><summary>${e.nearest}</summary>${l}</details>`:d`<h4>${e.nearest}</h4>${l}`:p}`}function me(r,t,e,s,i){let{words:n,copied:o}=r,l=s?ft(s.text,s.highlights[0],!!t.whole):Wt(e),{headings:a,report:u}=be(r,e),m=gt(r,e),c=ee(r.base,e),f=c?.split("#")[0]===location.href.split("#")[0],h=o?.citation===e;return d`<div class="card ${i<0?"near":""}" role="group" tabindex="-1" aria-label=${i>0?n.source(i):i?n.notAnswer:n.related}>
    <div class="place">
      ${i>0?d`<span class="number" aria-hidden="true">${i}</span>`:p}
      <span><strong dir="auto" lang=${m}>${a}</strong>${u}</span>
      ${i<0?d`<span class="tag">${n.notAnswer}</span>`:p}
    </div>
    <blockquote dir="auto" lang=${m}>${l.before}<mark>${l.marked}</mark>${l.after}</blockquote>
    ${l.cut||t.whole&&s?d`<button type="button" class="more" aria-expanded=${String(!!t.whole)} @click=${()=>r.widen(t)}>
      ${t.whole?n.shorter:n.whole}</button>`:p}
    <div class="actions">
      ${c?d`<a href=${c} target=${f?"_self":"_blank"} rel="noopener" @click=${g=>r.cite(g,e,c)}>
        ${et}${n.openInReport}${f?p:d`<span class="unseen">${n.newTab}</span>`}</a>`:p}
      <button type="button" @click=${()=>r.copy(e)}>
        ${h&&o.done?Ze:Ge}${h?o.done?n.copied:n.notCopied:n.copy}
      </button>
    </div>
  </div>`}function Dt(r,t){let{words:e}=r,s=n=>d`<button type="button" class=${n} aria-label=${e[n]} title=${e[n]}
    aria-pressed=${String(t.rating===n)}
    @click=${()=>r.judge(t,n)}>${tt}</button>`,i=t.feedback==="sent"?e.thanks:t.feedback==="failed"?e.feedbackFailed:"";return d`
    <div class="judge" role="group" aria-label=${e.useful}>
      <span>${i||e.useful}</span>${s("up")}${s("down")}
    </div>
    ${t.feedback==="asking"?Vt(r,t):p}`}function Vt(r,t){let{words:e}=r,s=t.reply.answerable?["wrong","incomplete","wrong_place","other"]:["should_answer","other"];return d`<form class="why" @submit=${i=>r.explain(i,t)}>
    <fieldset>
      <legend>${e.why}</legend>
      ${s.map((i,n)=>d`<label class="choice">
        <input type="radio" name="reason" value=${i} ?checked=${n===0}>${e.complaints[i]}
      </label>`)}
    </fieldset>
    <label class="words">${e.comment}
      <textarea name="comment" maxlength="1000" rows="2"></textarea>
    </label>
    <p>${e.privacy}</p>
    <div class="pair">
      <button class="solid">${e.sendFeedback}</button>
      <button type="button" class="quiet" @click=${()=>r.leave(t)}>${e.cancel}</button>
    </div>
  </form>`}function Bt(r,t){return r.find(e=>e.citation===t)}function Wt(r){let{prefix:t="",suffix:e=""}=r.selectors?.find(s=>s.type==="TextQuoteSelector")??{};return{before:t&&`…${t}`,marked:r.cited_text,after:e&&`${e}…`,cut:!1}}function Ft(r){r.preventDefault();let t=r.currentTarget,e=Number(t.textContent)-1,s=t.closest(".turn").querySelectorAll(".card:not(details .card)")[e];s?.scrollIntoView({block:"nearest"}),s?.focus({preventScroll:!0})}var Qt=5e3,bt=2e3,Kt=5,Yt=new URL(".",import.meta.url).href,ye=class extends k{constructor(){super();this.reports=new Map;this.served=[];this.turns=[];this.opened=!1;this.ready=!1;this.returnTo=null;this.announcer=new J(()=>this.requestUpdate());this.online=()=>{!navigator.onLine&&this.isShown&&this.announcer.say(this.words.youAreOffline),this.requestUpdate()};this.escape=e=>{e.key!=="Escape"||e.isComposing||e.defaultPrevented||!this.opened||this.mode==="inline"||(e.stopPropagation(),this.close())};this.apiBase="",this.mode="launcher",this.theme="auto",this.documents=[],this.heading="",this.locale=""}static{this.styles=ut}static{this.properties={apiBase:{attribute:"api-base"},mode:{reflect:!0},theme:{reflect:!0},suggestions:{converter:e=>e?.split("|").map(s=>s.trim()).filter(Boolean)},documents:{converter:e=>e?.split(/\s+/).filter(Boolean)??[]},heading:{},locale:{attribute:"lang"}}}open(){this.mode!=="inline"&&!this.opened&&(this.returnTo=Xt(),this.opened=!0),this.prepare(),this.requestUpdate(),this.updateComplete.then(()=>this.input.focus({preventScroll:this.mode!=="inline"}))}close(){this.opened&&(this.opened=!1,this.requestUpdate(),!(!this.matches(":focus-within")&&document.activeElement!==document.body)&&this.updateComplete.then(()=>{let e=this.renderRoot.querySelector(".launcher");(this.returnTo?.isConnected&&this.returnTo!==document.body?this.returnTo:e)?.focus()}))}async ask(e){if(e=e.trim().slice(0,bt),!e)return null;this.stop(),this.mode!=="inline"&&!this.opened&&this.open(),this.prepare(),this.shadowRoot?.activeElement?.closest(".starters")&&this.input.focus();let s={id:(this.turns.at(-1)?.id??0)+1,question:e,state:"waiting"};return this.turns=[...this.turns,s],this.answer(s)}stop(){this.current?.abort.abort()}clear(){this.stop(),this.turns=[],this.memory?.save([]),this.announcer.say(this.words.cleared),this.updateComplete.then(()=>this.isShown&&this.input.focus())}connectedCallback(){super.connectedCallback(),this.memory=new G(`${this.id} ${this.base}`),this.turns=this.memory.load(),addEventListener("online",this.online),addEventListener("offline",this.online),document.addEventListener("keydown",this.escape),this.mode==="inline"&&this.prepare()}disconnectedCallback(){super.disconnectedCallback(),this.stop(),this.memory?.release(),this.ready=!1,clearInterval(this.ticking),removeEventListener("online",this.online),removeEventListener("offline",this.online),document.removeEventListener("keydown",this.escape)}willUpdate(e){e.has("mode")&&this.mode==="inline"&&this.isConnected&&this.prepare()}prepare(){if(!this.ready){this.ready=!0;for(let{reply:e}of this.turns)for(let s of e?.citations??[])this.learn(s.document_id);this.suggestions||ot(this.base,this.documents).then(e=>{this.served=e,this.requestUpdate()},()=>this.ready=!1)}}learn(e){this.reports.has(e)||(this.reports.set(e,{id:e,title:e,publisher:null,author:null,date:null,number:null,language:null}),at(this.base,e).then(s=>{this.reports.set(e,s),this.requestUpdate()},()=>this.reports.delete(e)))}async answer(e){let s=new AbortController;this.current={turn:e,abort:s},Object.assign(e,{state:"waiting",failure:void 0,retryAt:void 0}),this.announcer.say(this.words.waiting),this.reveal(e);let i=setTimeout(()=>{e.state="slow",this.announcer.say(this.words.slow)},Qt);try{let n={query:e.question,limit:3,history:he(this.turns,e),...this.documents.length?{documents:this.documents}:{}},o=await it(this.base,n,s.signal);if(s.signal.aborted)throw s.signal.reason;e.reply=o,e.state="done";for(let l of o.citations)this.learn(l.document_id);return this.announcer.say(this.spoken(o)),this.tell("answer",{question:e.question,answer:o}),o}catch(n){return s.signal.aborted?(e.state="stopped",this.turns.includes(e)&&this.announcer.say(this.words.stopped)):this.fail(e,n),null}finally{clearTimeout(i),this.current?.turn===e&&(this.current=void 0),this.turns.includes(e)&&this.memory?.save(this.turns),this.requestUpdate()}}fail(e,s){let i=s instanceof q?s.failure:{kind:"failed",status:0,detail:"",requestId:"",retryAfter:0};e.state="failed",e.failure=i,i.retryAfter&&(e.retryAt=Date.now()+i.retryAfter*1e3,this.tick()),this.announcer.say(this.words.failures[i.kind]),this.tell("error",{question:e.question,...i})}tick(){clearInterval(this.ticking),this.ticking=setInterval(()=>{this.turns.some(e=>(e.retryAt??0)>Date.now())||clearInterval(this.ticking),this.requestUpdate()},1e3)}retry(e){this.stop(),this.input.focus(),this.answer(e)}spoken(e){let{words:s}=this,i=e.citations[e.answer?.citations[0]??-1];if(e.answerable&&e.answer)return s.spoken(e.answer.text,i?be(this,i).headings:"");let n=s.reasons[e.reason??""]??s.reasons.not_in_report;return`${s.silent} ${n} ${e.results.length?s.spokenNear(e.results.length):""}`.trim()}reveal(e){this.requestUpdate(),this.updateComplete.then(()=>{let s=this.renderRoot.querySelector(`[data-turn="${e.id}"]`);s&&(this.log.scrollTop=s.offsetTop-16)})}cite(e,s,i){this.tell("citation",{citation:s,url:i})||e.preventDefault()}async copy(e){let s=this.reports.get(e.document_id),i=s?.date&&ve(s.date,this.language),n=[s?.author,e.document_title,s?.publisher,s?.number??e.document_id,i],{openQuote:o,closeQuote:l,copied:a,notCopied:u}=this.words,m=ee(this.base,e)??"",c=`${o}${e.cited_text}${l}
— ${n.filter(Boolean).join(", ")}. ${m}`,f=await navigator.clipboard?.writeText(c).then(()=>!0,()=>!1)??!1,h=this.copied={citation:e,done:f};this.announcer.say(f?a:u),setTimeout(()=>{this.copied===h&&(this.copied=void 0),this.requestUpdate()},2500)}judge(e,s){if(e.feedback!=="sending"){if(s==="up")return void this.send(e,s);e.feedback="asking",this.requestUpdate(),this.updateComplete.then(()=>this.within(e,".why input")?.focus())}}explain(e,s){e.preventDefault();let i=new FormData(e.target);this.within(s,".down")?.focus(),this.send(s,"down",String(i.get("reason")),String(i.get("comment")).trim())}leave(e){e.feedback=void 0,this.within(e,".down")?.focus(),this.requestUpdate()}widen(e){e.whole=!e.whole,this.requestUpdate()}async send(e,s,i,n){let o=e.reply,l=o.citations[o.answer?.citations[0]??o.results[0]?.citation??0];e.feedback="sending",this.requestUpdate();try{await nt(this.base,{answer_id:o.id,bundle_id:o.bundle_id,query:e.question,history:he(this.turns,e),answerable:o.answerable,citation:l&&{document_id:l.document_id,document_sha256:l.document_sha256,start_char_index:l.start_char_index,end_char_index:l.end_char_index},rating:s,...i&&{reason:i},...n&&{comment:n}}),Object.assign(e,{feedback:"sent",rating:s}),this.announcer.say(this.words.thanks),this.tell("feedback",{answerId:o.id,rating:s,reason:i,comment:n})}catch{e.feedback="failed",this.announcer.say(this.words.feedbackFailed)}this.memory?.save(this.turns),this.requestUpdate()}get base(){return new URL(this.apiBase?this.apiBase.replace(/\/*$/,"/"):Yt,document.baseURI).href}get language(){return this.locale||this.closest("[lang]")?.getAttribute("lang")||"en"}get words(){return fe(this.language)}get starters(){return(this.suggestions??this.served).slice(0,Kt)}get isShown(){return this.mode==="inline"||this.opened}get input(){return this.renderRoot.querySelector("form.ask textarea")}get log(){return this.renderRoot.querySelector(".log")}within(e,s){return this.renderRoot.querySelector(`[data-turn="${e.id}"] ${s}`)}tell(e,s){return this.dispatchEvent(new CustomEvent(`report-chat:${e}`,{detail:s,bubbles:!0,composed:!0,cancelable:!0}))}render(){let{words:e}=this,s=this.mode==="inline";return d`<div class="root" lang=${this.words===fe("fr")?"fr":"en"}>
      ${s?p:d`<button type="button" class="launcher" aria-expanded=${String(this.opened)} aria-haspopup="dialog"
        ?hidden=${this.opened} @click=${this.open}>${Ke}${this.heading||e.open}</button>`}
      ${this.panel(e,s)}
      ${this.announcer.render()}
    </div>`}panel(e,s){return d`<div class="panel ${s?"":"floating"}" role=${s?"region":"dialog"} aria-modal=${s?p:"false"}
      aria-labelledby="title" ?hidden=${!this.isShown} ?inert=${!this.isShown} @keydown=${this.escape}>
      <header>
        <div><h2 id="title">${this.heading||e.title}</h2><p>${e.promise}</p></div>
        ${this.turns.length?d`<button type="button" aria-label=${e.clear} title=${e.clear} @click=${this.clear}>${Xe}</button>`:p}
        ${s?p:d`<button type="button" aria-label=${e.close} title=${e.close} @click=${this.close}>${Ye}</button>`}
      </header>
      <div class="log" role="log" aria-live="off" aria-label=${e.conversation} tabindex="0">
        ${this.turns.length?d`<ol>${Qe(this.turns,i=>i.id,i=>mt(this,i,i===this.turns.at(-1)))}</ol>`:ge(this)}
      </div>
      ${navigator.onLine?p:d`<p class="offline">${e.youAreOffline}</p>`}
      <form class="ask" @submit=${this.submit}>
        <textarea dir="auto" rows="1" name="question" maxlength=${bt} autocomplete="off" aria-label=${e.question}
          placeholder=${e.placeholder} enterkeyhint="send" @keydown=${this.enter}></textarea>
        ${this.current?d`<button type="button" class="halt" aria-label=${e.stop} title=${e.stop} @click=${this.halt}>${Je}</button>`:d`<button type="submit" aria-label=${e.send} title=${e.send}>${Z}</button>`}
      </form>
    </div>`}enter(e){e.key!=="Enter"||e.shiftKey||e.isComposing||(e.preventDefault(),e.target.form.requestSubmit())}submit(e){e.preventDefault(),!(this.current||!this.input.value.trim())&&(this.ask(this.input.value),this.input.value="",this.input.focus())}halt(){this.stop(),this.input.focus()}};function Xt(){let r=document.activeElement;for(;r?.shadowRoot?.activeElement;)r=r.shadowRoot.activeElement;return r}customElements.get("report-chat")||customElements.define("report-chat",ye);export{ye as ReportChat};
/*! Bundled license information:

@lit/reactive-element/css-tag.js:
  (**
   * @license
   * Copyright 2019 Google LLC
   * SPDX-License-Identifier: BSD-3-Clause
   *)

@lit/reactive-element/reactive-element.js:
lit-html/lit-html.js:
lit-element/lit-element.js:
lit-html/directive.js:
lit-html/directives/repeat.js:
  (**
   * @license
   * Copyright 2017 Google LLC
   * SPDX-License-Identifier: BSD-3-Clause
   *)

lit-html/is-server.js:
  (**
   * @license
   * Copyright 2022 Google LLC
   * SPDX-License-Identifier: BSD-3-Clause
   *)

lit-html/directive-helpers.js:
  (**
   * @license
   * Copyright 2020 Google LLC
   * SPDX-License-Identifier: BSD-3-Clause
   *)
*/
